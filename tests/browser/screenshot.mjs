// Makes the picture of the README:
//
//   QUICKSTART=target/debug/examples/quickstart node tests/browser/screenshot.mjs
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { free_port, new_profile, pick, start_app } from './scenario.mjs';

test('the picture of the README', async () => {
  const app = await start_app(`http://localhost:${await free_port()}`, {});
  const context = await new_profile({
    viewport: { width: 760, height: 620 },
    deviceScaleFactor: 2,
  });
  const page = await context.newPage();
  await page.goto(app.origin);
  await page.getByRole('link', { name: 'Sign in' }).click();
  await pick(page, /Ada Lovelace/);
  await page.screenshot({
    path: fileURLToPath(new URL('../../examples/quickstart.png', import.meta.url)),
  });
  await context.close();
  await app.stop();
});
