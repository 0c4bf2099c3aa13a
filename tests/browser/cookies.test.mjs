import assert from 'node:assert/strict';
import { JWT, scenario, sign_in } from './scenario.mjs';

// C-303: session cookie
// C-306: response_mode=form_post
// What the browser keeps, and for whom.
for (const [mode, same_site] of [
  ['query', 'Lax'],
  ['form_post', 'None'],
]) {
  scenario(
    `cookies are as strict as they can be, by ${mode}`,
    { variables: { IDENTITY_RESPONSE_MODE: mode } },
    async ({ app, page, context }) => {
      await page.goto(`${app.origin}/me`);
      const [attempt, ...more] = await context.cookies(`${app.origin}/auth/callback`);
      assert.deepEqual(more, []);
      assert.deepEqual(
        [attempt.httpOnly, attempt.sameSite, attempt.domain],
        [true, same_site, 'localhost'],
      );
      assert.ok(
        attempt.expires > 0 && attempt.expires - Date.now() / 1000 <= 600,
        `${attempt.expires}`,
      );
      await sign_in(page);
      // The session, and for a minute the number of sign-ins after which no session came back.
      const [session, count, ...others] = (await context.cookies(app.origin)).sort(
        (one, other) => one.name.length - other.name.length,
      );
      assert.deepEqual(others, [], 'the attempt is gone');
      assert.deepEqual(
        [count.name, count.value, count.httpOnly, count.sameSite],
        [`${session.name}.r`, '1', true, same_site],
      );
      assert.deepEqual(
        [session.httpOnly, session.sameSite, session.domain, session.path],
        [true, 'Lax', 'localhost', '/'],
      );
      assert.doesNotMatch(session.value, JWT);
    },
  );
}

// C-324: browser view
scenario('no script can read a token', {}, async ({ app, page }) => {
  await page.goto(`${app.origin}/me`);
  await sign_in(page);
  for (const path of ['/', '/me', '/token']) {
    await page.goto(`${app.origin}${path}`);
    const readable = await page.evaluate(
      () => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }),
    );
    assert.equal(readable, '{}');
    assert.doesNotMatch(await page.content(), JWT);
  }
});

// C-125: callback without transaction cookie
// One more try, then a page that says what to do.
for (const mode of ['query', 'form_post']) {
  const settings = { cookies: false, variables: { IDENTITY_RESPONSE_MODE: mode } };
  scenario(
    `somebody who allows no cookies gets a page, not a circle, by ${mode}`,
    settings,
    async ({ app, page, provider }) => {
      let authorizations = 0;
      page.on(
        'request',
        (request) => (authorizations += request.url().startsWith(`${provider.issuer}/auth?`)),
      );
      await page.goto(`${app.origin}/me`);
      await sign_in(page);
      assert.equal(new URL(page.url()).pathname, '/auth/callback');
      assert.match(await page.locator('main').innerText(), /allow cookies/);
      assert.equal(authorizations, 2);
    },
  );
}
