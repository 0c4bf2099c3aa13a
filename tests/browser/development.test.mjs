import assert from 'node:assert/strict';
import { pick, scenario, shown_json } from './scenario.mjs';

scenario(
  'with nothing configured one click signs in',
  { development: true },
  async ({ app, page }) => {
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
  },
);

scenario(
  'only administrators see what is for them',
  { development: true },
  async ({ app, page, context }) => {
    for (const [person, status] of [
      [/Ada Lovelace/, 200],
      [/Grace Hopper/, 403],
    ]) {
      await context.clearCookies();
      await page.goto(`${app.origin}/me`);
      await pick(page, person);
      assert.equal((await page.goto(`${app.origin}/admin`)).status(), status, `${person}`);
    }
  },
);

scenario(
  'a new scope is asked for once, and the page is there afterwards',
  { development: true },
  async ({ app, page }) => {
    await page.goto(`${app.origin}/me`);
    await pick(page, /Ada Lovelace/);
    for (const asked of [true, false]) {
      await page.goto(`${app.origin}/token?scope=notes.read`);
      if (asked) await page.getByRole('button', { name: 'Allow' }).click();
      await page.waitForURL(`${app.origin}/token?scope=notes.read`);
      assert.ok((await shown_json(page)).scopes.includes('notes.read'));
    }
  },
);

// The provider's page posts the response to the application, which redirects to the provider again.
scenario(
  'a page that needs a further scope is reached by form_post',
  { development: true, variables: { IDENTITY_RESPONSE_MODE: 'form_post' } },
  async ({ app, page }) => {
    await page.goto(`${app.origin}/token?scope=notes.read`);
    await page.getByRole('button', { name: /Ada Lovelace/ }).click();
    // Once for the sign-in, once for the scope.
    for (let pages = 0; pages < 2 && !page.url().startsWith(app.origin); pages += 1) {
      await page.getByRole('button', { name: 'Allow', exact: true }).click();
      await page.waitForLoadState('networkidle');
    }
    await page.waitForURL(`${app.origin}/token?scope=notes.read`);
    assert.ok((await shown_json(page)).scopes.includes('notes.read'));
  },
);

for (const [dev, person] of [
  ['', /Ada Lovelace/],
  ['entra', /Alan Turing/],
  ['entra-common', /Mary Jackson/],
  ['b2c', /Rosalind Franklin/],
  ['external-id', /Emmy Noether/],
]) {
  scenario(
    `buttons call an API and answer challenges, with IDENTITY_DEV=${dev}`,
    { development: true, variables: { IDENTITY_DEV: dev } },
    async ({ app, page }) => {
      await page.goto(`${app.origin}/auth/login`);
      await pick(page, person);
      const press = async (name) => {
        await page.goto(app.origin);
        await page.getByRole('button', { name, exact: true }).click();
      };
      await press('Read notes');
      if (dev !== 'b2c') await page.getByRole('button', { name: 'Allow', exact: true }).click();
      await page.waitForURL(`${app.origin}/notes*`);
      assert.match(await page.locator('main').innerText(), /200 OK[^]*Water the plants/);

      await press('Read private notes');
      await page.getByRole('button', { name: person }).click();
      await page.waitForURL(`${app.origin}/notes/private*`);
      assert.match(await page.locator('main').innerText(), /200 OK[^]*Learn to fly/);
      await press('Read private notes');
      await page.waitForURL(`${app.origin}/notes/private*`); // once is enough

      await press('Challenge');
      await page.getByRole('button', { name: person }).click();
      await page.waitForURL((url) => url.origin === app.origin && url.pathname === '/token');
      assert.equal((await shown_json(page)).source, 'provider');
    },
  );
}

scenario(
  "the provider's page has a challenge for any application",
  { development: true },
  async ({ app, page }) => {
    await page.goto(`${app.origin}/me`);
    const provider = new URL(page.url()).origin;
    await pick(page, /Ada Lovelace/);
    await page.goto(provider);
    await page.getByRole('button', { name: 'Challenge the next refresh' }).click();
    assert.equal(await page.getByRole('status').innerText(), 'The next refresh is refused.');
    await page.goto(`${app.origin}/token?fresh=yes`);
    await page.getByRole('button', { name: /Ada Lovelace/ }).click();
    await page.waitForURL(`${app.origin}/token?fresh=yes`);
    assert.equal((await shown_json(page)).source, 'provider');
  },
);
