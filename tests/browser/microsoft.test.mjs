// Sign-in, renewal and sign-out at each kind of Microsoft's authorities, as the development
// provider imitates them.
import assert from 'node:assert/strict';
import { pick, scenario, shown_json } from './scenario.mjs';

const kinds = [
  {
    name: 'a single tenant',
    dev: 'entra',
    person: /Alan Turing/,
    issuer: /^http:\/\/127\.0\.0\.1:\d+\/5c9e5c6d-[\da-f-]+\/v2\.0$/,
  },
  {
    name: 'common with a list of tenants',
    dev: 'entra-common',
    person: /Mary Jackson/,
    issuer: /\/9188040d-6c67-4c5b-b112-36a304b66dad\/v2\.0$/,
  },
  {
    name: 'B2C',
    dev: 'b2c',
    person: /Rosalind Franklin/,
    issuer: /\/d4c2b6a8-[\da-f-]+\/v2\.0\/$/,
  },
  {
    name: 'External ID under a domain of its own',
    dev: 'external-id',
    person: /Emmy Noether/,
    issuer: /^http:\/\/3e8a1f70-[\da-f-]+\.localhost:/,
  },
];

for (const { name, dev, person, issuer } of kinds) {
  const variables = { IDENTITY_DEV: dev, IDENTITY_DEV_TOKEN_SECONDS: '2' };
  scenario(
    `sign-in, renewal and sign-out at ${name}`,
    { development: true, variables },
    async ({ app, page }) => {
      await page.goto(`${app.origin}/me?tab=1`);
      assert.equal(new URL(page.url()).hostname, '127.0.0.1');
      await pick(page, person);
      assert.equal(page.url(), `${app.origin}/me?tab=1`);
      const before = await shown_json(page);
      assert.match(before.name, person);
      assert.match(before.iss, issuer);

      let visits = 0;
      page.on('request', (request) => (visits += new URL(request.url()).hostname === '127.0.0.1'));
      for (let tries = 0, now = before; now.claims.exp <= before.claims.exp; tries++) {
        assert.ok(tries < 40, 'the claims were not renewed');
        await page.waitForTimeout(250);
        assert.equal((await page.goto(`${app.origin}/me`)).status(), 200);
        now = await shown_json(page);
        assert.equal(now.sub, before.sub);
      }
      assert.equal(visits, 0, 'the browser went to the provider');

      await page.goto(app.origin);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.waitForURL(
        (url) => url.hostname === 'localhost' && url.pathname !== '/auth/logout',
      );
      assert.ok(visits > 0, 'the provider was told');
      await page.goto(`${app.origin}/me`);
      assert.equal(new URL(page.url()).hostname, '127.0.0.1');
      assert.ok(
        await page.getByRole('button', { name: person }).isVisible(),
        'the provider asks who it is',
      );
    },
  );
}

for (const dev of ['entra', 'entra-common']) {
  scenario(
    `an access token and the page for administrators, with IDENTITY_DEV=${dev}`,
    { development: true, variables: { IDENTITY_DEV: dev } },
    async ({ app, page }) => {
      await page.goto(`${app.origin}/me`);
      await pick(page, /Ada Lovelace/);
      await page.goto(`${app.origin}/token`);
      const token = await shown_json(page);
      assert.match(token.token_sha256, /^[0-9a-f]{64}$/);
      assert.ok(
        !token.scopes.includes('offline_access') && token.scopes.includes('profile'),
        `${token.scopes}`,
      );
      assert.equal((await page.goto(`${app.origin}/admin`)).status(), 200);
    },
  );
}

// There is no access token without a scope of an API: the quickstart asks for itself.
scenario(
  'a token in B2C is of the application itself',
  { development: true, variables: { IDENTITY_DEV: 'b2c' } },
  async ({ app, page }) => {
    await page.goto(`${app.origin}/me`);
    await pick(page, /Rosalind Franklin/);
    const { claims } = await shown_json(page);
    assert.equal((await page.goto(`${app.origin}/admin`)).status(), 403);
    await page.goto(`${app.origin}/token`);
    const token = await shown_json(page);
    assert.deepEqual([token.source, token.scopes], ['sign_in', [claims.aud]]);
  },
);

scenario(
  'people of a tenant that is not on the list are told so',
  { development: true, variables: { IDENTITY_DEV: 'entra-common' } },
  async ({ app, page }) => {
    await page.goto(`${app.origin}/me`);
    await pick(page, /Dorothy Vaughan/);
    assert.match(await page.locator('main').innerText(), /tenant_not_allowed/);
    await page.goto(app.origin);
    assert.ok(await page.getByRole('link', { name: 'Sign in' }).isVisible());
  },
);

scenario(
  'a guest signs in to the tenant, somebody else is turned away there',
  { development: true, variables: { IDENTITY_DEV: 'entra' } },
  async ({ app, page }) => {
    await page.goto(`${app.origin}/me`);
    await page.getByRole('button', { name: /Dorothy Vaughan/ }).click();
    assert.match(await page.locator('main').innerText(), /AADSTS50020/);
    await page.goto(`${app.origin}/me`);
    await pick(page, /Katherine Johnson/);
    assert.equal((await shown_json(page)).claims.acct, 1);
  },
);

scenario(
  'a forgotten password leads through the reset policy back to the page',
  { development: true, variables: { IDENTITY_DEV: 'b2c' } },
  async ({ app, page }) => {
    await page.goto(`${app.origin}/me`);
    await page.getByRole('button', { name: 'Forgot your password?' }).click();
    await page.waitForURL(/\/b2c_1_reset\//i);
    assert.match(await page.locator('h1').innerText(), /Reset your password/);
    await page.getByRole('button', { name: /Rosalind Franklin/ }).click();
    await page.waitForURL(`${app.origin}/me`);
    const me = await shown_json(page);
    assert.deepEqual([me.name, me.claims.tfp], ['Rosalind Franklin', 'B2C_1_susi']);
  },
);

scenario(
  'a profile that was edited shows at once, and cancelling leads home',
  { development: true, variables: { IDENTITY_DEV: 'b2c' } },
  async ({ app, page }) => {
    await page.goto(app.origin);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await pick(page, /Rosalind Franklin/);
    await page.getByRole('link', { name: 'Edit your profile' }).click();
    await page.getByLabel('Display name').fill('Rosalind Elsie Franklin');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.waitForURL((url) => url.hostname === 'localhost');
    await page.goto(`${app.origin}/me`);
    assert.equal((await shown_json(page)).name, 'Rosalind Elsie Franklin');

    await page.goto(app.origin);
    await page.getByRole('link', { name: 'Edit your profile' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.waitForURL(`${app.origin}/`);
  },
);
