import assert from 'node:assert/strict';
import { other_site, pick, scenario } from './scenario.mjs';

const front_end = { development: true, example: 'FRONT_END' };

/** Opens the page and signs in by its link. */
async function start(page, app) {
  await page.goto(app.origin);
  await page.getByRole('link', { name: 'Sign in' }).click();
  await pick(page, /Ada Lovelace/);
  await page.getByText('Signed in as Ada Lovelace').waitFor();
}

async function add_note(page, text) {
  await page.getByLabel('Note').fill(text);
  await page.getByRole('button', { name: 'Add' }).click();
}

/** How often the app has refused a request of another origin. */
const refusals = (app) => app.output().split('reason="cross_site"').length - 1;

scenario(
  'a page that fetches signs in and writes, and after the session has ended it signs in again',
  front_end,
  async ({ app, page, context }) => {
    await start(page, app);
    await add_note(page, 'first');
    await page.getByRole('listitem').filter({ hasText: 'first' }).waitFor();

    await context.clearCookies();
    await add_note(page, 'lost');
    await pick(page, /Ada Lovelace/);
    assert.equal(page.url(), `${app.origin}/`);
    await page.getByRole('listitem').filter({ hasText: 'first' }).waitFor();
    assert.equal(await page.getByRole('listitem').count(), 1);
  },
);

scenario(
  'other tabs hear of a sign-out, and notice a session that ended elsewhere',
  front_end,
  async ({ app, page, context }) => {
    await start(page, app);
    const second = await context.newPage();
    await second.goto(app.origin);
    await second.getByText('Signed in as Ada Lovelace').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await second.getByText('Your session has ended').waitFor();
    assert.doesNotMatch(await second.locator('body').innerText(), /Ada/);

    await page.waitForURL(`${app.origin}/auth/signed-out*`);
    await start(page, app);
    await context.clearCookies({ domain: 'localhost' });
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await page.getByText('Your session has ended').waitFor();
  },
);

// Another port of localhost is the same site, so the browser sends the cookie; only its headers
// tell the origin.
for (const [place, host] of [
  ['a sibling origin', 'localhost'],
  ['another site', '127.0.0.1'],
]) {
  scenario(
    `forms, scripts and WebSockets of ${place} change nothing`,
    front_end,
    async ({ app, page, context }) => {
      await start(page, app);
      await add_note(page, 'mine');
      await page.getByRole('listitem').filter({ hasText: 'mine' }).waitFor();
      const attack = await other_site(
        `<form method=post enctype="text/plain" action="${app.origin}/api/notes">
           <input name=evil><button>form</button></form>`,
        host,
      );
      const attacker = await context.newPage();

      await attacker.goto(attack);
      await attacker.evaluate(
        (url) =>
          fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include', body: 'evil' }),
        `${app.origin}/api/notes`,
      );
      await attacker.evaluate(
        (url) =>
          new Promise((done) => {
            const socket = new WebSocket(url);
            socket.onclose = done;
          }),
        `${app.origin.replace('http', 'ws')}/api/notes`,
      );
      await attacker.getByRole('button', { name: 'form' }).click();
      await attacker
        .getByRole('heading', { name: host === 'localhost' ? 'No access' : 'Please sign in' })
        .waitFor();

      // The cookie came only from the sibling origin: one refusal for each way.
      const expected = host === 'localhost' ? 3 : 0;
      for (let tries = 0; tries < 20 && refusals(app) < expected; tries++)
        await new Promise((wake) => setTimeout(wake, 50));
      assert.equal(refusals(app), expected, app.output());
      await page.reload();
      await page.getByRole('listitem').filter({ hasText: 'mine' }).waitFor();
      assert.equal(await page.getByRole('listitem').count(), 1);
    },
  );
}
