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
