import assert from 'node:assert/strict';
import { scenario, shown_json, sign_in } from './scenario.mjs';

const variables = { IDENTITY_DEFAULT_ACCESS: 'public', IDENTITY_PROTECTED_PREFIXES: '/account/' };
const text = (page) => page.locator('body').innerText();

scenario(
  'with public access every page is open and knows the person, and protected ones sign in',
  { variables },
  async ({ app, page, provider }) => {
    const status = (path) => page.evaluate(async (path) => (await fetch(path)).status, path);
    await page.goto(app.origin);
    // Neither declared public nor there: the application answers.
    assert.equal(await status('/no-such-page'), 404);
    // Protected by its path, however it is written.
    assert.equal(await status('/account/orders'), 401);
    assert.equal(await status('/%41ccount/orders'), 401);
    await page.goto(`${app.origin}/Account/orders`);
    assert.ok(page.url().startsWith(provider.issuer), page.url());

    await page.goto(`${app.origin}/auth/login`);
    await sign_in(page, 'ada');
    assert.equal(page.url(), `${app.origin}/`);
    assert.match(await text(page), /Person ada/);
    assert.equal(await status('/%41ccount/orders'), 404);

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    await page.goto(app.origin);
    assert.doesNotMatch(await text(page), /Person ada/);
  },
);

scenario(
  'a handler that takes the user signs in on a page that is public by default',
  { variables },
  async ({ app, page }) => {
    await page.goto(`${app.origin}/me`);
    await sign_in(page, 'ada');
    assert.equal(page.url(), `${app.origin}/me`);
    assert.equal((await shown_json(page)).sub, 'ada');
  },
);
