// One router for pages and an API: a session cookie and an access token on the same path.

import assert from 'node:assert/strict';
import { pick, scenario } from './scenario.mjs';

const front_end = { development: true, example: 'FRONT_END' };

/** What a script of the page gets from the API. */
function ask(page, { authorization, method = 'GET', body, credentials = 'same-origin' } = {}) {
  return page.evaluate(
    async ({ authorization, method, body, credentials }) => {
      const headers = { accept: 'text/html', ...(authorization && { authorization }) };
      const answer = await fetch('/api/notes', {
        method,
        body,
        credentials,
        headers,
        redirect: 'manual',
      });
      return {
        status: answer.status,
        type: answer.type,
        content: answer.headers.get('content-type'),
        challenge: answer.headers.get('www-authenticate'),
        text: await answer.text(),
      };
    },
    { authorization, method, body, credentials },
  );
}

scenario(
  'of a cookie and an access token the token decides, and a spoilt one leaves the session alone',
  front_end,
  async ({ app, page, context }) => {
    await page.goto(app.origin);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await pick(page, /Ada Lovelace/);
    await page.getByText('Signed in as Ada Lovelace').waitFor();
    const [, token] = app.output().match(/Bearer (eyJ[\w.-]+)/);
    const alan = `Bearer ${token}`;

    const created = await ask(page, { method: 'POST', body: "Ada's note" });
    assert.equal(created.status, 201);
    assert.equal((await ask(page)).text, '["Ada\'s note"]');

    // The cookie goes along with each of these.
    assert.equal((await ask(page, { authorization: alan })).text, '[]');
    assert.equal(
      (await ask(page, { authorization: alan, method: 'POST', body: "Alan's note" })).status,
      201,
    );
    assert.equal(
      (await ask(page, { authorization: alan.replace('Bearer', 'bearer  ') })).text,
      '["Alan\'s note"]',
    );
    assert.equal((await ask(page)).text, '["Ada\'s note"]');

    const cookies = await context.cookies();
    for (const [authorization, status, error] of [
      [`Bearer ${token.slice(0, -10)}AAAAAAAAAA`, 401, 'invalid_token'],
      ['Bearer garbage', 401, 'invalid_token'],
      [`Bearer:${token}`, 400, 'invalid_request'],
      ['Bearer', 400, 'invalid_request'],
    ]) {
      const refused = await ask(page, { authorization });
      assert.deepEqual(
        [refused.status, refused.type, refused.content],
        [status, 'basic', 'application/problem+json'],
        refused.text,
      );
      assert.match(refused.challenge, new RegExp(`^Bearer error="${error}"`));
    }
    assert.deepEqual(await context.cookies(), cookies);
    assert.equal((await ask(page)).text, '["Ada\'s note"]');
    await page.reload();
    await page.getByText('Signed in as Ada Lovelace').waitFor();

    // Without either it is a script without a session.
    const nobody = await ask(page, { credentials: 'omit' });
    assert.deepEqual([nobody.status, nobody.type], [401, 'basic']);
    assert.match(JSON.parse(nobody.text).sign_in, /^\/auth\/login/);
    assert.equal(
      (await ask(page, { authorization: alan, credentials: 'omit' })).text,
      '["Alan\'s note"]',
    );
  },
);
