import assert from 'node:assert/strict';
import { other_site, scenario, shown_json, sign_in } from './scenario.mjs';

async function sign_out(page, app) {
  await page.goto(app.origin);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
}

scenario(
  'sign-out ends the session here and at the provider',
  {},
  async ({ app, page, context, provider }) => {
    await page.goto(`${app.origin}/me`);
    await sign_in(page);
    const session = await context.cookies(app.origin);
    await sign_out(page, app);
    assert.ok(page.url().startsWith(`${app.origin}/auth/signed-out`), page.url());
    assert.deepEqual(await context.cookies(app.origin), []);

    // C-300: old session cookie replayed after logout
    // The old cookie opens nothing.
    await context.addCookies(session);
    await page.goto(`${app.origin}/me`);
    assert.ok(page.url().startsWith(provider.issuer), page.url());
    assert.ok(
      await page.locator('input[name=password]').isVisible(),
      'the provider does not know the person any more',
    );
  },
);

// C-302: browser Back after logout
scenario(
  'the back button shows no protected page after sign-out',
  {},
  async ({ app, page, provider }) => {
    await page.goto(`${app.origin}/me`);
    await sign_in(page);
    await page.goto(`${app.origin}/me`);
    await sign_out(page, app);
    for (let steps = 0; steps < 8; steps++) {
      await page.goBack({ waitUntil: 'load' }).catch(() => null);
      const text = await page.locator('body').innerText();
      assert.doesNotMatch(text, /ada@example\.com/, page.url());
      if (page.url().startsWith(provider.issuer)) return;
    }
  },
);

// Design D14, security rule 20.
scenario('another site cannot sign anybody out', {}, async ({ app, page }) => {
  await page.goto(`${app.origin}/me`);
  await sign_in(page);
  const attack = await other_site(`
    <form method=post action="${app.origin}/auth/logout"><button>post</button></form>
    <a href="${app.origin}/auth/logout">get</a><img src="${app.origin}/auth/logout" alt="">
    <iframe name=frame></iframe>
    <form method=post target=frame action="${app.origin}/auth/logout">
      <button>framed</button>
    </form>`);
  for (const way of ['post', 'get', 'framed']) {
    await page.goto(attack);
    await page.getByText(way, { exact: true }).click();
    await page.waitForLoadState('networkidle');
    await page.goto(`${app.origin}/me`);
    assert.equal(page.url(), `${app.origin}/me`, `signed out by ${way}`);
    assert.equal((await shown_json(page)).sub, 'ada');
  }
});
