import assert from 'node:assert/strict';
import { other_site, pick, scenario } from './scenario.mjs';

const guest_book = {
  development: true,
  example: 'GUEST_BOOK',
  variables: { IDENTITY_IDLE_TIMEOUT: '6' },
};
const TEXT = 'Two lines,\nand "<b>quotes</b>" & ü';

/** Signs in, fills the form in, and sends it when the session has ended. */
async function lose_form(page, app, text = TEXT) {
  await page.goto(`${app.origin}/book`);
  await pick(page, /Ada Lovelace/);
  await page.getByLabel('Your entry').fill(text);
  await page.waitForTimeout(6500);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByText('This tab keeps it').waitFor();
  assert.equal(await page.locator('#not-saved').isVisible(), false);
}

async function entries(page, app) {
  await page.goto(`${app.origin}/book`);
  return page.getByRole('listitem').allInnerTexts();
}

scenario(
  'a form whose session has ended is offered after the sign-in and sent once by its user',
  guest_book,
  async ({ app, page, context }) => {
    await lose_form(page, app);
    await page.getByRole('link', { name: 'Sign in' }).click(); // the provider's session lives on
    await page.getByRole('heading', { name: 'Send your form?' }).waitFor();
    assert.match(await page.locator('dl').first().innerText(), /\/book/);
    await page.getByText('What will be sent').click();
    assert.match(
      await page.locator('details').innerText(),
      /Two lines,\s+and "<b>quotes<\/b>" & ü/,
    );
    const other = await context.newPage();
    assert.deepEqual(await entries(other, app), [], 'nothing is sent by itself');

    const posted = page.waitForRequest((request) => request.method() === 'POST');
    await page.getByRole('button', { name: 'Send it now' }).click();
    assert.equal(
      new URLSearchParams((await posted).postData()).get('text'),
      TEXT.replace('\n', '\r\n'),
    );
    await page.waitForURL(`${app.origin}/book`);
    assert.equal(await page.getByRole('listitem').count(), 1);

    // The tab has nothing left.
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    await page.goto(`${app.origin}/auth/form`);
    await page.getByRole('heading', { name: 'No form to send' }).waitFor();
  },
);

scenario(
  'a form is not offered to another user of the browser',
  guest_book,
  async ({ app, page, context }) => {
    await lose_form(page, app, 'of Ada alone');
    await context.clearCookies({ domain: '127.0.0.1' }); // The provider asks who it is.
    await page.getByRole('link', { name: 'Sign in' }).click();
    await pick(page, /Alan Turing/);
    await page.getByRole('heading', { name: 'No form to send' }).waitFor();
    await page.waitForFunction(() => sessionStorage.length === 0);
    assert.doesNotMatch(await page.content(), /of Ada alone/);
    assert.deepEqual(await entries(page, app), []);
  },
);

scenario('a form that is discarded is gone', guest_book, async ({ app, page }) => {
  await lose_form(page, app);
  await page.getByRole('link', { name: 'Sign in' }).click(); // the provider's session lives on
  await page.getByRole('link', { name: 'Discard' }).click();
  await page.getByRole('heading', { name: 'Welcome' }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.deepEqual(await entries(page, app), []);
});

scenario(
  'the form of a page of a sibling origin is not kept',
  guest_book,
  async ({ app, page }) => {
    await page.goto(`${app.origin}/book`);
    await pick(page, /Ada Lovelace/);
    await page.waitForTimeout(6500);
    await page.goto(
      await other_site(
        `<form method=post action="${app.origin}/book">
           <input name=text value=evil><button>Send</button></form>`,
        'localhost',
      ),
    );
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('heading', { name: 'No access' }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  },
);
