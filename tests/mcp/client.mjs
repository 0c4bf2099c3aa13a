// The MCP TypeScript client as an application uses it. Its arguments are the URL of the server and
// the redirect URI. It prints `open URL` where the user has to sign in, and reads the URL at which
// the browser ended; it prints its other observations one a line.
import readline from 'node:readline';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [server, callback] = process.argv.slice(2);
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const kept = {};

const authProvider = {
  redirectUrl: callback,
  clientMetadata: {
    client_name: 'A client of the tests',
    redirect_uris: [callback],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  clientInformation: () => ({ client_id: 'mcp-client' }),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => {
    kept.tokens = tokens;
  },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => {
    kept.verifier = verifier;
  },
  redirectToAuthorization: (url) => console.log(`open ${url}`),
};

let transport;

/** Does something; if that needs a sign-in, finishes the sign-in and does it again. */
async function signedIn(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    const back = new URL((await answers.next()).value);
    await transport.finishAuth(back.searchParams.get('code'));
    return work();
  }
}

const client = await signedIn(async () => {
  const connecting = new Client({ name: 'tests', version: '1' });
  transport = new StreamableHTTPClientTransport(new URL(server), { authProvider });
  await connecting.connect(transport);
  return connecting;
});

const call = (name) =>
  signedIn(async () => {
    const answer = await client.callTool({ name, arguments: { text: 'Learn to fly' } });
    return answer.content[0].text;
  });

const { tools } = await client.listTools();
console.log(
  `tools ${tools
    .map((tool) => tool.name)
    .sort()
    .join(' ')}`,
);
console.log(`list_notes ${await call('list_notes')}`);
console.log(`add_note ${await call('add_note')}`);
console.log(`list_notes ${await call('list_notes')}`);
await call('drop_notes').catch((error) => console.log(`drop_notes ${error.code}`));
await client.close();
process.exit(0);
