import assert from 'node:assert/strict';
import { pick, scenario } from './scenario.mjs';

const basket = (page) => page.locator('#basket').innerText();
const own_session = async (context, app) =>
  (await context.cookies(app.origin)).find(({ name }) => name === 'id')?.value;

async function sign_in_again(page, app, person) {
  await page.goto(`${app.origin}/auth/login?account=other`);
  await pick(page, person);
}

scenario(
  'a basket goes with its user and is not left for the next one',
  { development: true, example: 'SHOP' },
  async ({ app, page, context }) => {
    await page.goto(app.origin);
    await page.getByRole('button', { name: 'Add a bicycle' }).click();
    assert.equal(await basket(page), 'Basket: bicycle');
    const visitor = await own_session(context, app);

    // The visitor's basket becomes Ada's, under a new id.
    await page.getByRole('link', { name: 'Order' }).click();
    await pick(page, /Ada Lovelace/);
    assert.equal(page.url(), `${app.origin}/order`);
    assert.match(await page.locator('body').innerText(), /Ada Lovelace orders: bicycle/);
    const ada = await own_session(context, app);
    assert.notEqual(ada, visitor);

    // Alan signs in in the same browser, without a sign-out in between.
    await sign_in_again(page, app, /Alan Turing/);
    await page.goto(app.origin);
    assert.match(await page.locator('body').innerText(), /Alan Turing/);
    assert.equal(await basket(page), 'Basket:');
    assert.notEqual(await own_session(context, app), ada);

    // A sign-out takes the basket along.
    await page.getByRole('button', { name: 'Add a bell' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${app.origin}/auth/signed-out*`);
    await page.goto(app.origin);
    assert.equal(await basket(page), 'Basket:');
  },
);
