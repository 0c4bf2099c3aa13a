// What the scripts of this folder share: a free port, a folder for one run, a server that ends with
// its script.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const CLIENT = {
  id: '7c3d2a10-8b5e-4c1f-9a64-2f1e0d9c8b7a',
  secret: 'a-secret_with.all~marks',
};

/** A folder for what a provider stores; it is deleted with the script. */
export const folder = mkdtempSync(join(tmpdir(), 'provider-'));
let server;
process.on('exit', () => {
  server?.kill();
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

export async function free_port() {
  const listener = createServer();
  await new Promise((ready) => listener.listen(0, '127.0.0.1', ready));
  const { port } = listener.address();
  await new Promise((closed) => listener.close(closed));
  return port;
}

/** Starts a server, whose output goes to standard error, and waits until `url` answers. */
export async function start(command, args, url, environment = {}) {
  const options = { stdio: ['ignore', 2, 2], env: { ...process.env, ...environment } };
  server = spawn(command, args, options);
  server.on('error', (error) => fail(`${command}: ${error.message}`));
  server.on('exit', (code, signal) => fail(`${command} ended by itself: ${code ?? signal}`));
  for (let tries = 0; tries < 300; tries += 1) {
    if (
      await fetch(url).then(
        (answer) => answer.ok,
        () => false,
      )
    )
      return;
    await new Promise((later) => setTimeout(later, 100));
  }
  fail(`${command} does not answer at ${url}`);
}

/** Tells the test where the provider is, and runs until standard input closes. */
export function ready(issuer) {
  console.log(JSON.stringify({ issuer, client_id: CLIENT.id, client_secret: CLIENT.secret }));
  process.stdin.on('end', () => process.exit(0)).resume();
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
