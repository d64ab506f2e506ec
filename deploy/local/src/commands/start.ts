// npm start: the platform left running. Ctrl-C stops all of it.
import { defaultStateDir } from '../platform/layout.ts';
import { startPlatform, type Platform } from '../platform/platform.ts';
import { accountsFile } from '../sign-in/accounts.ts';
import { runCommandLine, whenStopped, Stopped } from './run-command-line.ts';

const progress = (line: string): void => {
  console.log(`[wardstone] ${line}`);
};

const note = 'The dressing of the left knee is changed every second day.\n';
const noteBase64 = Buffer.from(note).toString('base64');

await runCommandLine(async (stop) => {
  const platform = await startPlatform({ stateDir: defaultStateDir(process.env), progress, signal: stop });
  try {
    console.log(await welcome(platform));
    await whenStopped(stop);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    progress('stopping');
  } finally {
    await platform.stop();
  }
  progress('stopped');
  return 0;
});

async function welcome(platform: Platform): Promise<string> {
  const { urls, accounts, layout } = platform;
  const token = await platform.token('north-clinician');
  const services = Object.entries(urls).filter(([name]) => name !== 'gateway' && name !== 'sign-in');
  const users = accounts.users.map((user) => `  ${user.username.padEnd(24)} ${user.roles.join(', ')}`);
  return `
Wardstone is running. Ctrl-C stops it.

  REST API     ${urls.gateway}/v1
  docs         ${urls.gateway}/docs
  OpenAPI      ${urls.gateway}/openapi.json
  sign-in      ${urls['sign-in']}
${services.map(([name, url]) => `  ${`gRPC`.padEnd(5)}${name.padEnd(11)} ${url}`).join('\n')}
  logs         ${layout.logsDir}

Users (their passwords are in ${accountsFile(layout.signInDir)}):
${users.join('\n')}
  ${accounts.clients.map((client) => client.clientId).join(', ')}: programs, with client credentials

Take a note in as north-clinician (the token is good for an hour; npm run --silent token -- NAME gives another, of any of
these), then ask about it:

export GATEWAY=${urls.gateway}
export TOKEN=${token}
curl -sS "$GATEWAY/v1/documents" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"fileName":"note.txt","title":"A note","contentBase64":"${noteBase64}"}'
curl -sS "$GATEWAY/v1/answers" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"question":"When is the dressing changed?"}'
`;
}
