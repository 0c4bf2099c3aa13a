import assert from 'node:assert/strict';
import { free_port, other_site, redirector, scenario, shown_json, sign_in } from './scenario.mjs';

// The page has a policy that lets nothing in; its form must lead to the provider all the same.
scenario(
  'the sign-out page asks, and then signs out here and at the provider',
  {},
  async ({ app, page, provider }) => {
    await page.goto(`${app.origin}/me`);
    await sign_in(page);
    await page.goto(`${app.origin}/auth/logout`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${provider.issuer}/session/end**`);
    await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    await page.waitForURL(`${app.origin}/auth/signed-out**`);
    assert.match(await page.locator('main').innerText(), /signed out/i);
  },
);

// A provider in front of others (a broker, a federated tenant) signs out there first. Chromium
// holds each redirect after a form to the policy of the page.
const upstream = await other_site('<h1>Signed out upstream</h1>');
const broker = await redirector(upstream);
scenario(
  'the sign-out page leads on where the provider redirects to another origin',
  { variables: { IDENTITY_END_SESSION_ENDPOINT: `${broker}/logout` } },
  async ({ app, page }) => {
    await page.goto(`${app.origin}/me`);
    await sign_in(page);
    await page.goto(`${app.origin}/auth/logout`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${upstream}/**`);
    assert.equal(await page.locator('h1').innerText(), 'Signed out upstream');
  },
);

// C-226: discovery down at start
const nowhere = `http://127.0.0.1:${await free_port()}`;
scenario(
  'a provider that is down is told in words, and public pages work',
  { variables: { IDENTITY_OIDC_AUTHORITY: nowhere } },
  async ({ app, page }) => {
    assert.equal((await page.goto(app.origin)).status(), 200);
    const answer = await page.goto(`${app.origin}/auth/login`);
    assert.equal(answer.status(), 503);
    assert.match(
      await page.locator('main').innerText(),
      /cannot be reached[^]*provider_unreachable/,
    );
  },
);

scenario('a cancelled sign-in is explained, and a new one succeeds', {}, async ({ app, page }) => {
  await page.goto(`${app.origin}/me`);
  await page.getByRole('link', { name: 'Cancel' }).click();
  await page.waitForURL(`${app.origin}/auth/callback**`);
  assert.match(await page.locator('main').innerText(), /cancelled/);
  await page.goto(`${app.origin}/me`);
  await sign_in(page);
  assert.equal((await shown_json(page)).sub, 'ada');
});

for (const colors of ['light', 'dark']) {
  scenario(`the pages can be read in ${colors} colours`, {}, async ({ app, page }) => {
    await page.emulateMedia({ colorScheme: colors });
    await page.goto(`${app.origin}/auth/signed-out`);
    const contrast = await page.evaluate(() => {
      const luminance = (color) => {
        const [r, g, b] = color
          .match(/[\d.]+/g)
          .map((value) =>
            (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4,
          );
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const behind = (element) => {
        const color = element ? getComputedStyle(element).backgroundColor : 'rgb(255, 255, 255)';
        return /, 0\)$/.test(color) ? behind(element.parentElement) : color;
      };
      const texts = [...document.querySelectorAll('main *')].filter(
        (element) => element.innerText?.trim() && !element.children.length,
      );
      return texts.map((element) => {
        const pair = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort(
          (a, b) => a - b,
        );
        return { text: element.innerText, ratio: (pair[1] + 0.05) / (pair[0] + 0.05) };
      });
    });
    assert.ok(contrast.length > 0);
    for (const { text, ratio } of contrast)
      assert.ok(ratio >= 4.5, `"${text}" has a contrast of ${ratio}`); // WCAG 2.1, 1.4.3
    assert.equal(await page.locator('h1').count(), 1);
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  });
}

// The browser's own header decides, here and at the provider; the script of the code page follows.
for (const [locale, tag, title, seconds] of [
  ['de-CH', 'de', 'Sie sind abgemeldet', /Minuten|Sekunden/],
  ['fr-FR', 'fr', 'Vous êtes déconnecté', /minutes|secondes/],
]) {
  scenario(
    `a browser in ${locale} sees its language and hands it on`,
    { locale },
    async ({ app, page, provider }) => {
      const answer = await page.goto(`${app.origin}/auth/signed-out`);
      assert.equal(answer.headers()['content-language'], tag);
      assert.equal(await page.locator('html').getAttribute('lang'), tag);
      assert.equal(await page.locator('h1').innerText(), title);
      const asked = page.waitForRequest((request) =>
        request.url().startsWith(`${provider.issuer}/auth`),
      );
      await page.goto(`${app.origin}/me`);
      assert.equal(
        new URL((await asked).url()).searchParams.get('ui_locales').split(' ')[0],
        locale,
      );
      await sign_in(page);
      assert.equal((await shown_json(page)).sub, 'ada');
    },
  );

  scenario(
    `the page with a code is in the language of a browser in ${locale}`,
    { development: true, locale, variables: { IDENTITY_SIGN_IN_METHOD: 'device_code' } },
    async ({ app, page }) => {
      await page.goto(`${app.origin}/auth/login`);
      assert.equal(await page.locator('html').getAttribute('lang'), tag);
      await page.locator('#left').evaluate((left) => (left.textContent = ''));
      await page.locator('#left', { hasText: seconds }).waitFor(); // written by the script
    },
  );
}
