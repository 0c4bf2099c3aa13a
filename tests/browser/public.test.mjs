import assert from 'node:assert/strict';
import { scenario, shown_json, sign_in } from './scenario.mjs';

const variables = { IDENTITY_DEFAULT_ACCESS: 'public', IDENTITY_PROTECTED_PREFIXES: '/account/' };
const text = (page) => page.locator('body').innerText();

scenario('with public access every page is open and knows the person, and protected ones sign in', { variables }, async ({ app, page, provider }) => {
  // Neither declared public nor there: the application answers, and nobody is sent to sign in.
  const answer = await page.goto(`${app.origin}/no-such-page`);
  assert.deepEqual([answer.status(), page.url()], [404, `${app.origin}/no-such-page`]);

  // Protected by its path, however it is written.
  await page.goto(`${app.origin}/%41ccount/orders`);
  assert.ok(page.url().startsWith(provider.issuer), page.url());
  await sign_in(page, 'ada');
  assert.equal(page.url(), `${app.origin}/%41ccount/orders`);

  await page.goto(app.origin);
  assert.match(await text(page), /Person ada/);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.goto(app.origin);
  assert.doesNotMatch(await text(page), /Person ada/);
});

scenario('a handler that takes the user signs in on a page that is public by default', { variables }, async ({ app, page }) => {
  await page.goto(`${app.origin}/me`);
  await sign_in(page, 'ada');
  assert.equal(page.url(), `${app.origin}/me`);
  assert.equal((await shown_json(page)).sub, 'ada');
});
