// Another verifier of access tokens, express-oauth2-jwt-bearer: one token per line in, one verdict
// per line out.
//
//   node verifier.mjs '{"issuer": "…", "jwksUri": "…", "audience": "…", "scopes": "…"}'

import { createInterface } from 'node:readline';
import oauth from 'express-oauth2-jwt-bearer';

const { scopes, ...settings } = JSON.parse(process.argv[2]);
const handlers = [oauth.auth({ ...settings, tokenSigningAlg: 'RS256' })];
if (scopes) handlers.push(oauth.requiredScopes(scopes));

/** The error that the handlers end with, if any. */
async function verdict(token) {
  // As much of a request of Express as the handlers look at.
  const headers = { host: 'api.example', authorization: `Bearer ${token}` };
  const get = (name) => headers[name.toLowerCase()];
  const request = {
    headers,
    get,
    method: 'GET',
    protocol: 'https',
    originalUrl: '/notes',
    query: {},
    body: {},
    is: () => false,
  };
  for (const handler of handlers) {
    const error = await new Promise((resolve) => {
      Promise.resolve(handler(request, {}, resolve)).catch(resolve);
    });
    if (error)
      return `refused ${error.status ?? 500} ${String(error.message).replaceAll('\n', ' ')}`;
  }
  return 'accepted';
}

for await (const token of createInterface({ input: process.stdin })) {
  console.log(await verdict(token));
}
