import assert from 'node:assert/strict';
import { scenario, shown_json, sign_in } from './scenario.mjs';

scenario(
  'the session goes on, silently, when the ID token has expired',
  { client: { id_token_seconds: 2 } },
  async ({ app, page, provider }) => {
    await page.goto(`${app.origin}/me`);
    await sign_in(page);
    const before = (await shown_json(page)).claims;
    let visits = 0;
    page.on('request', (request) => (visits += request.url().startsWith(provider.issuer)));
    for (let tries = 0; tries < 40; tries++) {
      await page.waitForTimeout(250);
      const answer = await page.goto(`${app.origin}/me`);
      assert.equal(answer.status(), 200);
      const now = (await shown_json(page)).claims;
      if (now.exp > before.exp) {
        assert.equal(now.sub, before.sub);
        assert.equal(visits, 0, 'the browser went to the provider');
        return;
      }
    }
    assert.fail('the claims were not renewed');
  },
);

scenario(
  'keys that were rotated between two sign-ins are fetched',
  {},
  async ({ app, page, context, provider }) => {
    await page.goto(`${app.origin}/me`);
    await sign_in(page);
    await provider.rotate_keys();
    await context.clearCookies({ domain: 'localhost' });
    await page.goto(`${app.origin}/me`);
    assert.equal((await shown_json(page)).sub, 'ada'); // C-052
  },
);
