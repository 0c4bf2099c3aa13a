import assert from 'node:assert/strict';
import { new_profile, scenario, shown_json } from './scenario.mjs';

const variables = { IDENTITY_SIGN_IN_METHOD: 'device_code' };
const by_code = { development: true, variables };

/** What somebody sees who opens the address of the page, or its QR code, on a phone. */
async function phone_at(page) {
  const address = await page.locator('#device a').getAttribute('href');
  const phone = await (await new_profile()).newPage();
  await phone.goto(address);
  return phone;
}

const shown_code = (page) => page.locator('.code').innerText();

scenario(
  'the page goes on by itself when the code was entered in another browser',
  by_code,
  async ({ app, page }) => {
    await page.goto(`${app.origin}/me?x=1`);
    assert.match(await page.locator('main').innerText(), /continues by itself/);
    assert.ok((await page.getByRole('img', { name: /QR code/ }).boundingBox()).width > 100);
    const left = page.locator('#left');
    assert.equal(await left.innerText(), '15 minutes');
    const phone = await phone_at(page);
    assert.equal(await phone.getByLabel('Code').inputValue(), await shown_code(page));
    await phone.getByRole('button', { name: 'Ada Lovelace' }).click();
    await page.waitForURL(`${app.origin}/me?x=1`);
    assert.equal((await shown_json(page)).name, 'Ada Lovelace');
    await page.goBack();
    assert.doesNotMatch(page.url(), /callback/, 'the page with the code is no page to go back to');
  },
);

// RFC 8628 section 3.3: the user types the code, at a provider that was not made for these tests.
scenario(
  'a certified provider signs in by code',
  {
    variables,
    client: {
      grant_types: [
        'authorization_code',
        'refresh_token',
        'urn:ietf:params:oauth:grant-type:device_code',
      ],
    },
  },
  async ({ app, page }) => {
    await page.goto(`${app.origin}/me`);
    const phone = await (await new_profile()).newPage();
    await phone.goto(await page.locator('#device a').innerText());
    await phone.locator('input[name=user_code]').fill(await shown_code(page));
    await phone.locator('button[type=submit]').first().click();
    await phone.locator('button[autofocus]').click();
    await phone.locator('input[name=login]').fill('ada');
    await phone.locator('input[name=password]').fill('any');
    await phone.getByRole('button', { name: 'Sign-in' }).click();
    await phone.getByRole('button', { name: 'Continue' }).click();
    await page.waitForURL(`${app.origin}/me`);
    assert.equal((await shown_json(page)).sub, 'ada');
  },
);

scenario('without scripts there is a link to go on', by_code, async ({ app }) => {
  const page = await (await new_profile({ javaScriptEnabled: false })).newPage();
  await page.goto(`${app.origin}/me`);
  const code = await shown_code(page);
  assert.doesNotMatch(await page.locator('main').innerText(), /continues by itself|has expired/);
  await page.getByRole('link', { name: 'Continue' }).click();
  assert.match(await page.locator('main').innerText(), /not signed in yet/);
  assert.equal(await shown_code(page), code);
  const phone = await phone_at(page);
  await phone.getByRole('button', { name: 'Ada Lovelace' }).click();
  await page.waitForTimeout(6000); // The provider's interval.
  await page.getByRole('link', { name: 'Continue' }).click();
  assert.equal(page.url(), `${app.origin}/me`);
  assert.equal((await shown_json(page)).name, 'Ada Lovelace');
});

scenario('who declines reads so, and can start again', by_code, async ({ app, page }) => {
  await page.goto(`${app.origin}/me`);
  const code = await shown_code(page);
  const phone = await phone_at(page);
  await phone.getByRole('button', { name: 'Decline' }).click();
  await page.getByText('access_denied').first().waitFor();
  await page.getByRole('link', { name: 'Try again' }).click();
  assert.notEqual(await shown_code(page), code);
});

for (const colors of ['light', 'dark']) {
  scenario(
    `the code can be read in ${colors} colours and on a narrow screen`,
    by_code,
    async ({ app, page }) => {
      await page.emulateMedia({ colorScheme: colors });
      await page.setViewportSize({ width: 320, height: 640 });
      await page.goto(`${app.origin}/me`);
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
      );
      assert.equal(wide, false, 'nobody has to scroll sideways (WCAG 2.2, 1.4.10)');
      const [ink, paper] = await page.evaluate(() =>
        ['color', 'backgroundColor'].map(
          (name) =>
            getComputedStyle(document.querySelector(name === 'color' ? '.code' : 'main'))[name],
        ),
      );
      assert.notEqual(ink, paper);
    },
  );
}
