// npm run demo: starts the platform, takes real PDFs in, asks questions and prints the cited answers, stops, exits 0.
// npm run demo -- --target URL: the same against a stack that runs already.
import { parseArgs } from 'node:util';
import { runDemo, type Cast } from '../demo/run-demo.ts';
import { defaultStateDir } from '../platform/layout.ts';
import { startPlatform } from '../platform/platform.ts';
import { UsageError } from '../setup/setup-error.ts';
import { readAccounts, userNamed, type Accounts } from '../sign-in/accounts.ts';
import { signIn } from '../sign-in/client.ts';
import { runCommandLine, whenStopped } from './run-command-line.ts';

const usage = `npm run demo                              starts the platform here, and stops it at the end
npm run demo -- --target URL [options]    uses the platform that runs there
  --issuer URL      its OpenID provider (or DEMO_ISSUER)
  --accounts FILE   accounts.json of its development sign-in (or DEMO_ACCOUNTS): shows tenants and the audit trail too
  --user NAME       instead of --accounts, one clinician (or DEMO_USER)
  --password TEXT   and that clinician's password (or DEMO_PASSWORD)`;

const print = (line: string): void => {
  console.log(line);
};

await runCommandLine(async (stop) => {
  const startedAt = Date.now();
  const target = readTarget(process.argv.slice(2), process.env);
  await Promise.race([target === undefined ? runHere(stop) : runThere(target, stop), whenStopped(stop)]);
  print(`\nDone in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
  return 0;
});

async function runHere(stop: AbortSignal): Promise<void> {
  const platform = await startPlatform({ stateDir: defaultStateDir(process.env), progress: print, signal: stop });
  try {
    print(`The platform serves at ${platform.urls.gateway}`);
    const cast = castOf(platform.accounts, async (user) => platform.token(user));
    await runDemo({ gatewayUrl: platform.urls.gateway, cast, print, signal: stop });
  } finally {
    print('\nStopping');
    await platform.stop();
  }
}

interface Target {
  readonly url: string;
  readonly issuer: string;
  readonly accounts: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

async function runThere(target: Target, stop: AbortSignal): Promise<void> {
  const { url, issuer, user: username, password } = target;
  const run = async (cast: Cast): Promise<void> => runDemo({ gatewayUrl: url, cast, print, signal: stop });
  if (username !== undefined && password !== undefined) {
    await run({ clinician: async () => signIn({ issuer, username, password }) });
    return;
  }
  if (target.accounts === undefined) throw new UsageError(usage);
  const accounts = await readAccounts(target.accounts);
  const tokens = new Map<string, Promise<string>>();
  const tokenOf = async (name: string): Promise<string> => {
    const known = tokens.get(name) ?? signIn({ issuer, username: name, password: userNamed(accounts, name).password });
    tokens.set(name, known);
    return known;
  };
  await run(castOf(accounts, tokenOf));
}

/** A clinician and the auditor of the first tenant, and a clinician of the second. */
function castOf(accounts: Accounts, token: (username: string) => Promise<string>): Cast {
  const [own, other] = accounts.tenants;
  const named = (tenant: string | undefined, role: string) => async () => token(`${tenant ?? ''}-${role}`);
  return {
    clinician: named(own?.slug, 'clinician'),
    stranger: named(other?.slug, 'clinician'),
    auditor: named(own?.slug, 'auditor'),
  };
}

function readTarget(args: string[], env: NodeJS.ProcessEnv): Target | undefined {
  const text = { type: 'string' } as const;
  const options = {
    target: text,
    issuer: text,
    accounts: text,
    user: text,
    password: text,
    help: { type: 'boolean' },
  } as const;
  const { values } = parse(args, options);
  if (values.help === true) throw new UsageError(usage);
  if (values.target === undefined) return undefined;
  const issuer = values.issuer ?? env['DEMO_ISSUER'];
  if (issuer === undefined || !URL.canParse(values.target)) throw new UsageError(usage);
  return {
    url: values.target.replace(/\/+$/, ''),
    issuer: issuer.replace(/\/+$/, ''),
    accounts: values.accounts ?? env['DEMO_ACCOUNTS'],
    user: values.user ?? env['DEMO_USER'],
    password: values.password ?? env['DEMO_PASSWORD'],
  };
}

function parse<T extends NonNullable<Parameters<typeof parseArgs>[0]>['options'] & object>(args: string[], options: T) {
  try {
    return parseArgs({ args, options });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`);
  }
}
