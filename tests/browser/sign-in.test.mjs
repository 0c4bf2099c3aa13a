import assert from 'node:assert/strict';
import { scenario, shown_json, sign_in } from './scenario.mjs';

for (const mode of ['query', 'form_post']) {
  // C-001: OP answers the code flow correctly
  // C-004: OP answers with an auto-submitted form
  // C-340: deep link with query before login
  // The page that was asked for is shown after sign-in, its query kept.
  scenario(
    `sign-in comes back to the page, by ${mode}`,
    { variables: { IDENTITY_RESPONSE_MODE: mode } },
    async ({ app, page, provider }) => {
      await page.goto(`${app.origin}/me?tab=1&x=%C3%A9`);
      assert.ok(page.url().startsWith(provider.issuer), page.url());
      await sign_in(page, 'ada');
      assert.equal(page.url(), `${app.origin}/me?tab=1&x=%C3%A9`);
      const me = await shown_json(page);
      assert.deepEqual(
        [me.sub, me.iss, me.name, me.username, me.email],
        ['ada', provider.issuer, 'Person ada', 'ada', 'ada@example.com'],
      );
      await page.goto(app.origin);
      assert.match(await page.locator('body').innerText(), /Person ada/);
    },
  );
}

scenario('a public page works without signing in', {}, async ({ app, page }) => {
  const answer = await page.goto(app.origin);
  assert.equal(answer.status(), 200);
  assert.equal(page.url(), `${app.origin}/`);
});

scenario(
  'a script gets an answer that it can follow, not a redirect',
  {},
  async ({ app, page }) => {
    await page.goto(app.origin);
    const answer = await page.evaluate(async () => {
      const got = await fetch('/me');
      return {
        status: got.status,
        redirected: got.redirected,
        type: got.headers.get('content-type'),
      };
    });
    assert.deepEqual(answer, { status: 401, redirected: false, type: 'application/problem+json' });
  },
);
