import assert from 'node:assert/strict';
import { scenario, shown_json, sign_in } from './scenario.mjs';

/** Signs in and tells the address of the callback that did it. */
async function callback_of_sign_in(app, page) {
  const callbacks = [];
  page.on('request', (request) => {
    if (request.url().startsWith(`${app.origin}/auth/callback`)) callbacks.push(request.url());
  });
  await page.goto(`${app.origin}/me`);
  await sign_in(page);
  assert.equal(callbacks.length, 1);
  return callbacks[0];
}

// C-123: browser goes Back to the callback URL with a live session and the same state
scenario('a callback that is opened again goes on to the page', {}, async ({ app, page }) => {
  const callback = await callback_of_sign_in(app, page);
  await page.goto(callback);
  assert.ok(page.url().startsWith(app.origin) && !page.url().includes('code='), page.url());
  await page.goto(`${app.origin}/me`);
  assert.equal((await shown_json(page)).sub, 'ada');
});

scenario('the back button after sign-in leads to no error', {}, async ({ app, page }) => {
  await page.goto(app.origin);
  await callback_of_sign_in(app, page);
  const answer = await page.goBack();
  assert.ok(!answer || answer.status() < 500, `${answer?.status()} ${page.url()}`);
  await page.goto(`${app.origin}/me`);
  assert.equal((await shown_json(page)).sub, 'ada');
});

// Without a session the sign-in starts once more, and the provider, which still has its session,
// answers at once.
scenario(
  'a stale callback without a session signs in again',
  {},
  async ({ app, page, context }) => {
    const callback = await callback_of_sign_in(app, page);
    await context.clearCookies({ domain: 'localhost' });
    await page.goto(callback);
    assert.ok(page.url().startsWith(app.origin) && !page.url().includes('code='), page.url());
    await page.goto(`${app.origin}/me`);
    assert.equal((await shown_json(page)).sub, 'ada');
  },
);
