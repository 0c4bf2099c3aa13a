import assert from 'node:assert/strict';
import { pick, scenario, shown_json } from './scenario.mjs';

scenario('with nothing configured one click signs in', { development: true }, async ({ app, page }) => {
  await page.goto(app.origin);
  await page.getByRole('link', { name: 'Sign in' }).click();
  await pick(page, /Ada Lovelace/);
  assert.equal(page.url(), `${app.origin}/`);
  assert.match(await page.locator('h1').innerText(), /Ada Lovelace/);

  await page.goto(`${app.origin}/token`);
  const token = await shown_json(page);
  assert.match(token.token_sha256, /^[0-9a-f]{64}$/);

  await page.goto(app.origin);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(`${app.origin}/auth/signed-out*`);
  await page.goto(app.origin);
  assert.ok(await page.getByRole('link', { name: 'Sign in' }).isVisible());
});

scenario('only administrators see what is for them', { development: true }, async ({ app, page, context }) => {
  for (const [person, status] of [[/Ada Lovelace/, 200], [/Grace Hopper/, 403]]) {
    await context.clearCookies();
    await page.goto(`${app.origin}/me`);
    await pick(page, person);
    assert.equal((await page.goto(`${app.origin}/admin`)).status(), status, `${person}`);
  }
});

scenario('a new scope is asked for once, and the page is there afterwards', { development: true }, async ({ app, page }) => {
  await page.goto(`${app.origin}/me`);
  await pick(page, /Ada Lovelace/);
  for (const asked of [true, false]) {
    await page.goto(`${app.origin}/token?scope=notes.read`);
    if (asked) await page.getByRole('button', { name: 'Allow' }).click();
    await page.waitForURL(`${app.origin}/token?scope=notes.read`);
    assert.ok((await shown_json(page)).scopes.includes('notes.read'));
  }
});
