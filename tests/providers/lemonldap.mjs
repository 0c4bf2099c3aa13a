// The portal of LemonLDAP::NG, an OpenID Connect provider in Perl: `apt-get install
// liblemonldap-ng-portal-perl starman`, and what tests/run adds to that.
//
//   node lemonldap.mjs http://localhost:3000     with one client, the application at that address
//
// Prints one line of JSON when it answers, then runs until its standard input closes. The accounts
// are those of its demonstration: `dwho` has the password `dwho`.

import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLIENT, folder, free_port, ready, start } from './process.mjs';

const application = process.argv[2];
const port = await free_port();
const issuer = `http://127.0.0.1:${port}`;

for (const made of ['conf', 'cache', 'sessions/lock', 'psessions/lock'])
  mkdirSync(join(folder, made), { recursive: true });
const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
  publicKeyEncoding: { format: 'pem', type: 'spki' },
});
const client = options({
  ClientID: CLIENT.id,
  ClientSecret: CLIENT.secret,
  DisplayName: 'The application',
  RedirectUris: `${application}/auth/callback`,
  PostLogoutRedirectUris: `${application}/auth/signed-out`,
  IDTokenSignAlg: 'RS256',
  UserIDAttr: 'uid',
  AccessTokenExpiration: 60,
  IDTokenExpiration: 60,
  RefreshToken: 1,
  BypassConsent: 1, // a consent makes it remember its own portal, where sign-out then ends
});
const configuration = {
  cfgNum: 1,
  cfgDate: 1,
  locationRules: {},
  exportedVars: {},
  domain: '127.0.0.1',
  portal: `${issuer}/`,
  key: 'for a test on loopback',
  authentication: 'Demo',
  userDB: 'Same',
  demoExportedVars: { cn: 'cn', mail: 'mail', uid: 'uid' },
  requireToken: 0, // a token in its own sign-in form
  globalStorage: 'Apache::Session::File',
  globalStorageOptions: sessions('sessions'),
  persistentStorage: 'Apache::Session::File',
  persistentStorageOptions: sessions('psessions'),
  localSessionStorage: 'Cache::FileCache',
  localSessionStorageOptions: { namespace: 'sessions', cache_root: join(folder, 'cache') },
  issuerDBOpenIDConnectActivation: 1,
  oidcServiceMetaDataIssuer: issuer,
  oidcServiceAllowAuthorizationCodeFlow: 1,
  oidcServiceKeyIdSig: 'first',
  oidcServicePrivateKeySig: privateKey,
  oidcServicePublicKeySig: publicKey,
  oidcRPMetaDataOptions: { application: client },
  oidcRPMetaDataExportedVars: {
    application: { email: 'mail', name: 'cn', preferred_username: 'uid' },
  },
};
writeFileSync(join(folder, 'conf/lmConf-1.json'), JSON.stringify(configuration));
writeFileSync(
  join(folder, 'lemonldap-ng.ini'),
  `[all]
logLevel = warn
[configuration]
type = File
dirName = ${join(folder, 'conf')}
localStorage = Cache::FileCache
localStorageOptions = { 'namespace' => 'test', 'cache_root' => '${join(folder, 'cache')}' }
[portal]
staticPrefix = /static
languages = en
templateDir = /usr/share/lemonldap-ng/portal/templates
`,
);
writeFileSync(
  join(folder, 'portal.psgi'),
  'use Lemonldap::NG::Portal; Lemonldap::NG::Portal->run({});',
);

const as = process.getuid() === 0 ? ['--user', 'root'] : [];
await start(
  'starman',
  [
    '--preload-app',
    '--workers',
    '2',
    '--listen',
    `127.0.0.1:${port}`,
    ...as,
    join(folder, 'portal.psgi'),
  ],
  `${issuer}/.well-known/openid-configuration`,
  { LLNG_DEFAULTCONFFILE: join(folder, 'lemonldap-ng.ini') },
);
ready(issuer);

/** The members of a client, by their short names. */
function options(members) {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [`oidcRPMetaDataOptions${name}`, value]),
  );
}

function sessions(name) {
  return {
    Directory: join(folder, name),
    LockDirectory: join(folder, name, 'lock'),
    generateModule: 'Lemonldap::NG::Common::Apache::Session::Generate::SHA256',
  };
}
