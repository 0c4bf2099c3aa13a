import assert from 'node:assert/strict';
import { scenario, shown_json, sign_in } from './scenario.mjs';

for (const mode of ['query', 'form_post']) {
  // C-326: two tabs log in at once
  scenario(
    `two tabs sign in at once, by ${mode}`,
    { variables: { IDENTITY_RESPONSE_MODE: mode } },
    async ({ app, page, context }) => {
      const second = await context.newPage();
      await page.goto(`${app.origin}/me?tab=1`);
      await second.goto(`${app.origin}/me?tab=2`);
      await sign_in(page);
      assert.equal(page.url(), `${app.origin}/me?tab=1`);
      await sign_in(second);
      assert.equal(second.url(), `${app.origin}/me?tab=2`);
      for (const tab of [page, second]) {
        await tab.reload();
        assert.equal((await shown_json(tab)).sub, 'ada');
      }
    },
  );
}
