// A certified OpenID Connect engine on 127.0.0.1, for the integration and browser tests.
//
//   node provider.mjs [SHAPE]
//
// prints {"issuer", "registration_token"} as one line of JSON, then runs until its standard input
// closes.
//
// A shape is an object in JSON that makes it a provider of another kind. Its members, all optional:
//   algorithms      how ID tokens are signed; keys for nothing else are published
//   auth_methods    how clients authenticate
//   rotation        `false`: a refresh token stays the same
//   refresh         `false`: there are no refresh tokens
//   iss             `false`: authorization responses do not name the issuer (RFC 9207)
//   sign_out        `false`: there is no end-session endpoint
//   document        members of the discovery document that are replaced, or left out where `null`
//
// Each test registers its own client at the registration endpoint with the registration token
// (RFC 7591), so ports can be ephemeral. Beside the standard metadata a client may set the
// lifetimes of its tokens: `id_token_seconds`, `access_token_seconds`. The sign-in page takes any
// name with any password; the name becomes `sub`. `POST /test/rotate-keys`, with the same token,
// replaces the signing keys; the old ones stay published.
//
// Any resource can be requested (RFC 8707); access tokens for it are JWTs, except where its URI
// ends with `/opaque`. A client with the member `api` is the API at that resource, and may call
// other APIs on behalf of its callers (RFC 7523, `requested_token_use=on_behalf_of`).

import { randomBytes, webcrypto } from 'node:crypto';
import { createServer } from 'node:http';

const REGISTRATION_TOKEN = randomBytes(16).toString('hex');
const SHAPE = JSON.parse(process.argv[2] ?? '{}');
const ALGORITHMS = SHAPE.algorithms ?? ['RS256', 'PS256', 'ES256', 'EdDSA'];
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
};
const KEYS = [
  { made: RSA, signs: /^[RP]S/ },
  { made: { name: 'ECDSA', namedCurve: 'P-256' }, signs: /^ES256$/ },
  { made: { name: 'ECDSA', namedCurve: 'P-384' }, signs: /^ES384$/ },
  { made: { name: 'Ed25519' }, signs: /^Ed/ },
].filter(({ signs }) => ALGORITHMS.some((algorithm) => signs.test(algorithm)));
const AUTH_METHODS = SHAPE.auth_methods ?? [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'none',
];
const ON_BEHALF_OF = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

// Standard output is for the line of JSON, so the engine's notices go to standard error.
console.info = console.error;

const server = createServer(async (request, response) => {
  if (request.method === 'POST' && request.url === '/test/rotate-keys') {
    const allowed = request.headers.authorization === `Bearer ${REGISTRATION_TOKEN}`;
    if (allowed) handle = (await provider()).callback();
    response.writeHead(allowed ? 204 : 401).end();
  } else {
    handle(request, response);
  }
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const { Provider, errors } = await import('oidc-provider');

const stored = new Map();
let keys = [];
let handle = (await provider()).callback();
console.log(JSON.stringify({ issuer, registration_token: REGISTRATION_TOKEN }));
process.stdin.on('end', () => process.exit(0)).resume();

/** A provider with new keys over the shared storage: keys are rotated by making another one. */
async function provider() {
  keys = [...(await Promise.all(KEYS.map(({ made }) => key(made)))), ...keys];
  const made = new Provider(issuer, {
    adapter: Memory,
    jwks: { keys },
    cookies: { keys: [REGISTRATION_TOKEN] },
    pkce: { required: () => true },
    scopes: ['openid', 'offline_access', 'profile', 'email', 'api.read', 'api.write'],
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
    },
    conformIdTokenClaims: false, // claims of the scopes in the ID token, as with most providers
    findAccount: (_, id) => ({ accountId: id, claims: () => claims(id) }),
    // Rotation with reuse detection; a refresh token also without `prompt=consent`.
    rotateRefreshToken: () => SHAPE.rotation ?? true,
    issueRefreshToken: (_, client) =>
      (SHAPE.refresh ?? true) && client.grantTypeAllowed('refresh_token'),
    enabledJWA: { idTokenSigningAlgValues: ALGORITHMS },
    clientDefaults: {
      id_token_signed_response_alg: ALGORITHMS[0],
      token_endpoint_auth_method: AUTH_METHODS[0],
    },
    clientAuthMethods: AUTH_METHODS,
    extraClientMetadata: { properties: ['id_token_seconds', 'access_token_seconds', 'api'] },
    ttl: {
      IdToken: (_, __, client) => client.id_token_seconds ?? 3600,
      AccessToken: (_, __, client) => client.access_token_seconds ?? 3600,
      RefreshToken: 86400,
      Session: 86400,
      Grant: 86400,
      Interaction: 3600,
    },
    features: {
      registration: { enabled: true, initialAccessToken: REGISTRATION_TOKEN },
      rpInitiatedLogout: { enabled: SHAPE.sign_out ?? true },
      backchannelLogout: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true },
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
      claimsParameter: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => api_at(resource),
      },
    },
    // The engine's own dispatcher refuses loopback addresses.
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  });
  const on_behalf_of = async (context) => (context.body = await for_the_caller(made, context.oidc));
  made.registerGrantType(ON_BEHALF_OF, on_behalf_of, [
    'assertion',
    'requested_token_use',
    'scope',
    'resource',
  ]);
  made.use(shaped);
  made.on('server_error', (_, error) => console.error(error));
  return made;
}

/** What the engine has no setting for. */
async function shaped(context, next) {
  await next();
  if (context.path === '/.well-known/openid-configuration') {
    const members = Object.entries({ ...context.body, ...SHAPE.document });
    context.body = Object.fromEntries(members.filter(([, value]) => value !== null));
  }
  const location = SHAPE.iss === false && context.response.get('location');
  if (location) context.set('location', location.replace(/&iss=[^&]*/, ''));
}

function api_at(resource) {
  return {
    scope: 'api.read api.write',
    audience: resource,
    accessTokenFormat: resource.endsWith('/opaque') ? 'opaque' : 'jwt',
  };
}

/** An API asks for a token for another one, with the token that it was called with. */
async function for_the_caller(made, oidc) {
  const { client, params } = oidc;
  if (params.requested_token_use !== 'on_behalf_of')
    throw new errors.InvalidRequest('requested_token_use is missing');
  const called = params.assertion && (await made.AccessToken.find(params.assertion));
  if (!called || called.isExpired || !client.api || called.aud !== client.api)
    throw new errors.InvalidGrant('not for this API');
  const resourceServer = new made.ResourceServer(params.resource, api_at(params.resource));
  const token = new made.AccessToken({
    client,
    resourceServer,
    accountId: called.accountId,
    grantId: called.grantId,
    gty: 'on_behalf_of',
    scope: params.scope,
  });
  oidc.entity('AccessToken', token);
  return {
    access_token: await token.save(),
    expires_in: token.expiration,
    scope: token.scope,
    token_type: token.tokenType,
  };
}

function claims(id) {
  return {
    sub: id,
    name: `Person ${id}`,
    preferred_username: id,
    email: `${id}@example.com`,
    email_verified: true,
  };
}

// By WebCrypto: the synchronous generator of Node.js 20 can hang when its keys are exported.
async function key(algorithm) {
  const { privateKey } = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const { key_ops, ext, alg, ...jwk } = await webcrypto.subtle.exportKey('jwk', privateKey);
  return { ...jwk, use: 'sig', kid: randomBytes(8).toString('hex') };
}

/** The engine's storage interface over one map. */
function Memory(model) {
  const own = (id) => `${model}:${id}`;
  const first = (test) => [...stored.values()].find(test);
  return {
    async upsert(id, payload, seconds) {
      stored.set(own(id), {
        model,
        payload,
        expires: seconds ? Date.now() + seconds * 1000 : Infinity,
      });
    },
    async find(id) {
      return live(stored.get(own(id)));
    },
    async findByUid(uid) {
      return live(first((entry) => entry.model === model && entry.payload.uid === uid));
    },
    async findByUserCode(code) {
      return live(first((entry) => entry.model === model && entry.payload.userCode === code));
    },
    async consume(id) {
      stored.get(own(id)).payload.consumed = Math.floor(Date.now() / 1000);
    },
    async destroy(id) {
      stored.delete(own(id));
    },
    async revokeByGrantId(grant) {
      for (const [name, entry] of stored) if (entry.payload.grantId === grant) stored.delete(name);
    },
  };
}

function live(entry) {
  return entry && entry.expires > Date.now() ? entry.payload : undefined;
}
