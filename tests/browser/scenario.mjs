// What every scenario starts from: a provider on 127.0.0.1, the quickstart on localhost (another
// site), and Chromium.
//
// A scenario also fails if a page of the app breaks its own content security policy, or if a URL or
// a page of the app holds a token.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const JWT = /eyJ[\w-]{10,}\.[\w-]{10,}\./;
const CHROMIUM = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
  ],
};
const SECONDS = 1000;

const stops = []; // what the file started, stopped in reverse order
after(async () => {
  for (const stop of stops.reverse()) await stop();
});

/** Chromium, for one file. */
const launch = once_per_file(async () => {
  const browser = await chromium.launch(CHROMIUM);
  stops.push(() => browser.close());
  return browser;
});

/** A fresh profile. Without `cookies` its settings forbid cookies of the app, as a user does it. */
export async function new_profile({ cookies = true, ...options } = {}) {
  if (cookies) return (await launch()).newContext(options);
  const folder = await mkdtemp(join(tmpdir(), 'chromium-'));
  stops.push(() => rm(folder, { recursive: true, maxRetries: 5 }));
  const forbidden = { 'http://localhost:*,*': { setting: 2 } };
  await mkdir(join(folder, 'Default'));
  await writeFile(
    join(folder, 'Default', 'Preferences'),
    JSON.stringify({ profile: { content_settings: { exceptions: { cookies: forbidden } } } }),
  );
  return chromium.launchPersistentContext(folder, { ...CHROMIUM, ...options });
}

/** The certified provider, for one file. */
export const provider = once_per_file(async () => {
  const script = fileURLToPath(new URL('../provider/provider.mjs', import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'ignore'] });
  stops.push(() => child.kill());
  const ready = JSON.parse(await first_line(child, 'the certified provider'));
  const authorization = { authorization: `Bearer ${ready.registration_token}` };
  return {
    issuer: ready.issuer,
    /** Registers a client whose app lives at `origin`; `metadata` adds to it or replaces. */
    async register(origin, metadata = {}) {
      const answer = await fetch(`${ready.issuer}/reg`, {
        method: 'POST',
        headers: { ...authorization, 'content-type': 'application/json' },
        body: JSON.stringify({
          redirect_uris: [`${origin}/auth/callback`],
          post_logout_redirect_uris: [`${origin}/auth/signed-out`],
          grant_types: ['authorization_code', 'refresh_token'],
          ...metadata,
        }),
      });
      assert.equal(answer.status, 201, await answer.clone().text());
      return answer.json();
    },
    rotate_keys: () =>
      fetch(`${ready.issuer}/test/rotate-keys`, { method: 'POST', headers: authorization }),
  };
});

/**
 * Starts an example (the quickstart, or another by its name in capitals) with these variables and
 * waits until its home page answers.
 */
export async function start_app(origin, variables, example = 'QUICKSTART') {
  const program = process.env[example];
  assert.ok(program, `${example} names the program of an example: run tests/run browser`);
  const child = spawn(program, {
    env: { PATH: process.env.PATH, LISTEN: `127.0.0.1:${new URL(origin).port}`, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  for (const end = Date.now() + 10 * SECONDS; ; await new Promise((wake) => setTimeout(wake, 50))) {
    if (child.exitCode !== null || Date.now() > end)
      throw new Error(`${example} did not start:\n${output}`);
    if (
      await fetch(origin).then(
        (answer) => answer.ok,
        () => false,
      )
    )
      break;
  }
  return { origin, output: () => output, stop: () => stopped(child) };
}

/**
 * One test: `body` gets a fresh app, registered at the certified provider, and a fresh browser
 * profile.
 *
 * `client` adds to the client's metadata, `variables` to the app's. With `development: true` no
 * provider is configured, so that the app starts its own (`IDENTITY_DEV` says which). With
 * `cookies: false` the browser takes no cookies of the app; `locale` is the browser's language.
 * `example` is the app, if it is not the quickstart.
 */
export function scenario(
  name,
  { client, variables, development = false, cookies = true, example, locale },
  body,
) {
  test(name, { timeout: 60 * SECONDS }, async () => {
    const origin = `http://localhost:${await free_port()}`;
    const app = await start_app(
      origin,
      { ...(development ? {} : await configured(origin, client)), ...variables },
      example,
    );
    const context = await new_profile({ cookies, ...(locale && { locale }) });
    try {
      context.setDefaultTimeout(15 * SECONDS);
      const watched = watch(context, origin);
      const page = await context.newPage();
      await body({ app, page, context, provider: development ? null : await provider() });
      await watched();
    } catch (error) {
      error.message += `\nthe app said:\n${app.output()}`;
      throw error;
    } finally {
      await context.close();
      await app.stop();
    }
  });
}

async function configured(origin, metadata) {
  const op = await provider();
  const client = await op.register(origin, metadata);
  return {
    IDENTITY_OIDC_AUTHORITY: op.issuer,
    IDENTITY_CLIENT_ID: client.client_id,
    IDENTITY_CLIENT_SECRET: client.client_secret,
    IDENTITY_BASE_URL: origin,
    IDENTITY_COOKIE_SECRET: randomBytes(32).toString('hex'),
  };
}

/** Signs in on the certified provider's pages, which `page` shows, and waits for the app. */
export async function sign_in(page, person = 'ada') {
  await page.locator('input[name=login]').fill(person);
  await page.locator('input[name=password]').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  const back = page.waitForURL((url) => url.hostname === 'localhost');
  const consent = page.getByRole('button', { name: 'Continue' });
  await Promise.race([back, consent.click().catch(() => back)]); // asked once per person and client
  await back;
}

/** Signs in at the development provider, whose pages `page` shows, and waits for the app. */
export async function pick(page, person) {
  await page.getByRole('button', { name: person }).click();
  const back = page.waitForURL((url) => url.hostname === 'localhost');
  const consent = page.getByRole('button', { name: 'Allow', exact: true });
  await Promise.race([back, consent.click().catch(() => back)]);
  await back;
}

/** What `/me` shows in this page. */
export async function shown_json(page) {
  return JSON.parse(await page.locator('pre, body').first().innerText());
}

/**
 * Serves one page under 127.0.0.1, which is another site than the app's, or under another host:
 * another port of `localhost` is another origin of the same site.
 */
export async function other_site(html, host = '127.0.0.1') {
  const server = createServer((_, response) =>
    response.setHeader('content-type', 'text/html').end(html),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(() => server.close());
  return `http://${host}:${server.address().port}`;
}

/** Redirects everything to that address, from an origin of its own. */
export async function redirector(to) {
  const server = createServer((_, response) => response.writeHead(302, { location: to }).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** Watches all pages of a profile; the result checks what was seen. */
function watch(context, origin) {
  const complaints = [],
    addresses = [],
    bodies = [];
  context.on('console', (message) => {
    const ours = message.location().url.startsWith(origin);
    if (ours && message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  context.on('weberror', (error) => complaints.push(`${error.error()}`));
  context.on('request', (request) => addresses.push(request.url()));
  context.on('response', (response) => {
    if (response.url().startsWith(origin) && response.status() < 300)
      bodies.push(response.text().catch(() => ''));
  });
  return async () => {
    assert.deepEqual(complaints, [], 'the browser complained about a page of the app');
    for (const address of addresses) {
      assert.doesNotMatch(address, /[?&#](access_token|refresh_token|id_token)=/);
      if (address.startsWith(origin))
        assert.doesNotMatch(address, JWT, 'a token in an address of the app');
    }
    for (const body of await Promise.all(bodies))
      assert.doesNotMatch(body, JWT, 'a token in a page of the app');
  };
}

export async function free_port() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function first_line(child, name) {
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error(`${name} did not start`);
}

async function stopped(child) {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill();
    await once(child, 'exit');
  }
}

function once_per_file(make) {
  let made;
  return () => (made ??= make());
}
