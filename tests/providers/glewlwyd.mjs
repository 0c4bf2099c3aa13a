// Glewlwyd, an OpenID Connect provider in C: `apt-get install glewlwyd sqlite3`.
//
//   node glewlwyd.mjs http://localhost:3000     with one client, the application at that address
//
// Prints one line of JSON when it answers, then runs until its standard input closes. The person is
// `alice` with the password `alice-password`.

import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { CLIENT, folder, free_port, ready, start } from './process.mjs';

const application = process.argv[2];
const port = await free_port();
const address = `http://127.0.0.1:${port}`;

const tables = gunzipSync(readFileSync('/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz'));
const database = join(folder, 'glewlwyd.db');
// In one transaction: two hundred of them take seconds on a slow disk.
execFileSync('sqlite3', [database], { input: `BEGIN;${tables}COMMIT;` });

const settings = join(folder, 'glewlwyd.conf');
const packaged = readFileSync(
  '/usr/share/glewlwyd/templates/glewlwyd-debian.conf.properties',
  'utf8',
);
const own = {
  port,
  bind_address: '"127.0.0.1"',
  external_url: `"${address}"`,
  static_files_path: '"/usr/share/glewlwyd/webapp/"',
  log_mode: '"console"',
  hash_algorithm: '"SHA256"', // that of the administrator's first password
  database: `{ type = "sqlite3"; path = "${database}"; }`,
};
const kept = packaged
  .split('\n')
  .filter((line) => !line.startsWith('@include') && !(line.split(/[ =]/)[0] in own));
const added = Object.entries(own).map(([name, value]) => `${name} = ${value};`);
writeFileSync(settings, [...kept, ...added].join('\n'));

await start('glewlwyd', ['-c', settings], `${address}/config`);
await administrate();
ready(`${address}/api/oidc`);

/** The client, the person and the plugin for OpenID Connect, by the API of the administrator. */
async function administrate() {
  const signed_in = await fetch(
    `${address}/api/auth/`,
    json('POST', { username: 'admin', password: 'password' }),
  );
  const headers = { cookie: signed_in.headers.get('set-cookie').split(';')[0] };
  const call = async (method, path, body) => {
    const answer = await fetch(`${address}/api${path}`, json(method, body, headers));
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.headers.get('content-type')?.startsWith('application/json')
      ? answer.json()
      : undefined;
  };

  // As delivered it has no place for the addresses after a sign-out.
  const clients = await call('GET', '/mod/client/database');
  clients.parameters['data-format'].post_logout_redirect_uris = {
    multiple: true,
    read: true,
    write: true,
  };
  await call('PUT', '/mod/client/database', clients);
  await call('PUT', '/mod/client/database/reset');

  await call('POST', '/mod/plugin/', {
    module: 'oidc',
    name: 'oidc',
    display_name: 'OIDC',
    enabled: true,
    parameters: plugin(),
  });
  const scope = {
    display_name: 'scope',
    description: 'scope',
    password_required: true,
    password_max_age: 0,
    scheme: {},
  };
  await call('POST', '/scope/', { name: 'offline_access', ...scope });
  await call('PUT', '/scope/openid', { name: 'openid', ...scope });
  await call('POST', '/user/', {
    username: 'alice',
    name: 'Alice Example',
    email: 'alice@example.com',
    password: 'alice-password',
    enabled: true,
    scope: ['g_profile', 'openid', 'offline_access'],
  });
  await call('POST', '/client/', {
    client_id: CLIENT.id,
    client_secret: CLIENT.secret,
    name: 'The application',
    confidential: true,
    enabled: true,
    redirect_uri: [`${application}/auth/callback`],
    post_logout_redirect_uris: [`${application}/auth/signed-out`],
    authorization_type: ['code', 'refresh_token'],
    token_endpoint_auth_method: ['client_secret_basic'],
  });
}

function plugin() {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { format: 'jwk' },
    publicKeyEncoding: { format: 'jwk' },
  });
  return {
    iss: `${address}/api/oidc`,
    'jwks-private': JSON.stringify({
      keys: [{ ...privateKey, kid: 'first', use: 'sig', alg: 'RS256' }],
    }),
    'default-kid': 'first',
    'jwks-show': true,
    'access-token-duration': 60,
    'refresh-token-duration': 86400,
    'code-duration': 60,
    'refresh-token-rolling': true,
    'refresh-token-one-use': 'always',
    'allow-non-oidc': false,
    'auth-type-code-enabled': true,
    'auth-type-code-revoke-replayed': true,
    'auth-type-refresh-enabled': true,
    'pkce-allowed': true,
    'pkce-required': true,
    'subject-type': 'public',
    'session-management-allowed': true,
    'session-cookie-name': 'GLEWLWYD_SESSION',
    'session-cookie-expiration': 86400,
    'name-claim': 'mandatory',
    'email-claim': 'mandatory',
    'scope-claim': 'no',
    'allowed-scope': ['openid', 'offline_access'],
  };
}

function json(method, body, headers = {}) {
  return {
    method,
    body: body && JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  };
}
