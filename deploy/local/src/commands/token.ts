// npm run --silent token -- NAME: an access token of a seeded user or program, of the platform that is running.
import { defaultStateDir, layoutOf, type Layout } from '../platform/layout.ts';
import { livingHolder } from '../platform/lock.ts';
import { addressOf, type Surroundings } from '../platform/programs.ts';
import { readJson } from '../setup/files.ts';
import { UsageError } from '../setup/setup-error.ts';
import { accountsFile, readAccounts } from '../sign-in/accounts.ts';
import { clientToken, signIn } from '../sign-in/client.ts';
import { runCommandLine } from './run-command-line.ts';

await runCommandLine(async () => {
  const layout = layoutOf(defaultStateDir(process.env));
  if ((await livingHolder(layout.lockFile)) === undefined) {
    throw new UsageError(`No platform is running from ${layout.stateDir}. Start it with npm start.`);
  }
  console.log(await tokenOf(layout, process.argv.slice(2)));
  return 0;
});

async function tokenOf(layout: Layout, names: readonly string[]): Promise<string> {
  const issuer = addressOf((await readJson(layout.portsFile)) as Surroundings['ports'], 'sign-in');
  const { users, clients } = await readAccounts(accountsFile(layout.signInDir));
  const [name] = names;
  const user = users.find(({ username }) => username === name);
  const client = clients.find(({ clientId }) => clientId === name);
  if (names.length === 1 && user !== undefined) {
    return signIn({ issuer, username: user.username, password: user.password });
  }
  if (names.length === 1 && client !== undefined) {
    return clientToken({ issuer, clientId: client.clientId, clientSecret: client.clientSecret });
  }
  throw new UsageError(`npm run --silent token -- NAME, where NAME is one of
  users     ${users.map(({ username }) => username).join(', ')}
  programs  ${clients.map(({ clientId }) => clientId).join(', ')}`);
}
