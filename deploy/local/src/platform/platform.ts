import { readText, writeFileAtomically } from '../setup/files.ts';
import path from 'node:path';
import { keptPorts } from '../setup/ports.ts';
import { openPostgres, type RunningPostgres } from '../postgres/start.ts';
import { ensureAccounts, userNamed, type Accounts } from '../sign-in/accounts.ts';
import { signIn } from '../sign-in/client.ts';
import { ensureDatabases, type DatabaseUrls } from './databases.ts';
import { launchProgram } from './launch.ts';
import { layoutOf, postgresCacheDir, type Layout } from './layout.ts';
import { takeLock } from './lock.ts';
import { runMigrations } from './migrations.ts';
import { addressOf, environmentOf, passedOnFrom, programNames, serviceNames, sourceDirOf } from './programs.ts';
import type { ProgramName, Surroundings } from './programs.ts';
import { ensureServiceKeys } from './service-keys.ts';
import { supervise, type Running, type Supervised } from './supervise.ts';
import { ensureTenants } from './tenants.ts';

export interface PlatformOptions {
  /** Folder for everything that is kept. */
  readonly stateDir: string;
  /** The launcher's environment: WARDSTONE_DATABASE_URL and WARDSTONE_REDIS_URL are honoured. */
  readonly env?: NodeJS.ProcessEnv;
  /** Variables for single programs, on top of what they are given. */
  readonly programEnv?: Partial<Record<ProgramName, Readonly<Record<string, string>>>>;
  /** Told what is happening, a line at a time; nothing unless given. */
  readonly progress?: (line: string) => void;
  /** Whether a process that ends unasked is started again; true unless told. */
  readonly autoRestart?: boolean;
  /** Ends a start that is going on. After the start, `stop` does. */
  readonly signal?: AbortSignal;
}

/** What of the platform can be killed, stopped and started alone. */
export type PartName = ProgramName | 'postgres';

/** The platform, running as separate processes. */
export interface Platform {
  readonly urls: Readonly<Record<ProgramName, string>>;
  readonly accounts: Accounts;
  readonly layout: Layout;
  readonly databases: DatabaseUrls;
  /** Superuser of the database server, on the platform's database. */
  readonly adminDatabaseUrl: string;
  /** Process ids of the parts that run. */
  readonly pids: Readonly<Partial<Record<PartName, number>>>;
  /** An access token of a seeded user, by a sign-in as a browser does it; kept for ten minutes. */
  token(username: string): Promise<string>;
  /** Sends a signal (SIGKILL unless told); a part that ends by it is started again unless autoRestart is false. */
  kill(name: PartName, signal?: NodeJS.Signals): void;
  /** Stops a part in good order and leaves it stopped. */
  stopPart(name: PartName): Promise<void>;
  /** Starts a part, stopping it first when it runs, and waits until it serves. */
  restart(name: PartName): Promise<void>;
  /** Waits until a part serves, across restarts. */
  whenReady(name: PartName, timeoutMs?: number): Promise<void>;
  /** Ends every process. Idempotent. */
  stop(): Promise<void>;
}

const readyTimeoutMs = 120_000;
const stopTimeoutMs = 15_000;
const tokenKeptMs = 10 * 60_000;

/**
 * Sets up what is missing in `stateDir` and starts Postgres, the sign-in, six services and the gateway, each a process of
 * its own with its own environment. Resolves when all of them serve. Whatever fails, nothing is left running.
 * Thrown: SetupError, UsageError, Error with the last lines of the log of the program that failed.
 */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const progress = options.progress ?? (() => undefined);
  const layout = layoutOf(path.resolve(options.stateDir));
  const releaseLock = await takeLock(layout.lockFile);
  const started: Supervised[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= stopAll(started).finally(releaseLock));
  const onAbort = (): void => void stop();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const platform = await startParts({ ...options, layout, progress }, started, stop);
    options.signal?.throwIfAborted();
    return platform;
  } catch (error) {
    await stop();
    // What fails because it was told to stop is no failure.
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
  }
}

type StartOptions = PlatformOptions & { readonly layout: Layout; readonly progress: (line: string) => void };

async function startParts(options: StartOptions, started: Supervised[], stop: () => Promise<void>): Promise<Platform> {
  const { layout, progress, env = process.env } = options;
  const { part: postgres, adminUrl } = await startDatabase(options, started);
  progress('Set-up: roles, keys and accounts');
  const [databases, ports, accounts] = await Promise.all([
    ensureDatabases(adminUrl(), layout.databasesFile),
    keptPorts(layout.portsFile, programNames),
    ensureAccounts(layout.signInDir),
    ensureServiceKeys(layout.keysDir, serviceNames),
  ]);
  options.signal?.throwIfAborted();
  const redisUrl = env['WARDSTONE_REDIS_URL'] === '' ? undefined : env['WARDSTONE_REDIS_URL'];
  progress('Set-up: migrations');
  const markFile = path.join(layout.stateDir, 'migrated');
  await runMigrations({ databases, queueOnPostgres: redisUrl === undefined, markFile });

  options.signal?.throwIfAborted();
  const surroundings = { layout, ports, databases, redisUrl, passedOn: passedOnFrom(env) };
  const programs = programNames.map((name) => superviseProgram(name, surroundings, options));
  started.push(...programs);
  progress(`Starting ${programNames.join(', ')}`);
  await Promise.all(programs.map(async (program) => program.start()));

  const urls = Object.fromEntries(programNames.map((name) => [name, addressOf(ports, name)])) as Platform['urls'];
  await ensureTenantsOnce(urls, accounts, layout, databases.identity);
  const parts = new Map<string, Supervised>([postgres, ...programs].map((part) => [part.name, part]));
  return {
    urls,
    accounts,
    layout,
    databases,
    adminDatabaseUrl: onDatabase(adminUrl(), 'wardstone'),
    get pids() {
      return pidsOf(parts);
    },
    token: tokenSource(urls['sign-in'], accounts),
    ...controls(parts),
    stop,
  };
}

/** Starting every service waits for its key, and signing in takes a moment: what has been done is remembered. */
async function ensureTenantsOnce(
  urls: Platform['urls'],
  accounts: Accounts,
  layout: Layout,
  databaseIdentity: string,
): Promise<void> {
  const markFile = path.join(layout.stateDir, 'tenants-created');
  const mark = `${databaseIdentity} ${accounts.tenants.map((tenant) => tenant.id).join(' ')}`;
  if ((await readText(markFile)) === mark) return;
  await ensureTenants(urls.gateway, urls['sign-in'], accounts);
  await writeFileAtomically(markFile, mark);
}

async function startDatabase(options: StartOptions, started: Supervised[]) {
  const { layout, progress, env = process.env } = options;
  let server: RunningPostgres | undefined;
  const part = supervise({
    name: 'postgres',
    autoRestart: options.autoRestart ?? true,
    report: progress,
    launch: async (): Promise<Running> => {
      const running = await openPostgres({ cacheDir: postgresCacheDir(env), dir: layout.postgresDir, progress }, env);
      server = running;
      return {
        pid: running.pid,
        exited: running.exited,
        ready: () => Promise.resolve(),
        kill: (signal) => {
          running.kill(signal);
        },
        stop: async () => running.stop(),
      };
    },
  });
  started.push(part);
  await part.start();
  return { part, adminUrl: () => server?.adminUrl ?? '' };
}

function superviseProgram(name: ProgramName, surroundings: Surroundings, options: StartOptions): Supervised {
  const spec = {
    name,
    entry: path.join(sourceDirOf(name), 'main.ts'),
    env: { ...environmentOf(name, surroundings), ...options.programEnv?.[name] },
    logFile: path.join(surroundings.layout.logsDir, `${name}.log`),
    readyUrl: `${addressOf(surroundings.ports, name)}/readyz`,
    readyTimeoutMs,
    stopTimeoutMs,
  };
  return supervise({
    name,
    autoRestart: options.autoRestart ?? true,
    report: (line) => {
      options.progress(`${line} (log: ${spec.logFile})`);
    },
    launch: () => launchProgram(spec),
  });
}

function controls(parts: Map<string, Supervised>) {
  const partNamed = (name: PartName): Supervised => {
    const part = parts.get(name);
    if (part === undefined) throw new Error(`The platform has no part ${name}.`);
    return part;
  };
  return {
    kill: (name: PartName, signal: NodeJS.Signals = 'SIGKILL') => {
      partNamed(name).kill(signal);
    },
    stopPart: async (name: PartName) => partNamed(name).stop(),
    restart: async (name: PartName) => {
      await partNamed(name).stop();
      await partNamed(name).start();
    },
    whenReady: async (name: PartName, timeoutMs = readyTimeoutMs) => partNamed(name).whenReady(timeoutMs),
  };
}

/** In the opposite order of their start: the gateway first, so that nothing new comes in, and the database last. */
async function stopAll(started: readonly Supervised[]): Promise<void> {
  const isLast = (part: Supervised): boolean => part.name === 'postgres';
  const isFirst = (part: Supervised): boolean => part.name === 'gateway';
  await Promise.all(started.filter(isFirst).map(async (part) => part.stop()));
  const others = started.filter((part) => !isFirst(part) && !isLast(part));
  await Promise.all(others.map(async (part) => part.stop()));
  await Promise.all(started.filter(isLast).map(async (part) => part.stop()));
}

function pidsOf(parts: Map<string, Supervised>): Partial<Record<PartName, number>> {
  return Object.fromEntries([...parts].flatMap(([name, { pid }]) => (pid === undefined ? [] : [[name, pid]])));
}

function tokenSource(issuer: string, accounts: Accounts): (username: string) => Promise<string> {
  const kept = new Map<string, { token: Promise<string>; until: number }>();
  return async (username) => {
    const known = kept.get(username);
    if (known !== undefined && known.until > Date.now()) return known.token;
    const { password } = userNamed(accounts, username);
    const token = signIn({ issuer, username, password });
    kept.set(username, { token, until: Date.now() + tokenKeptMs });
    token.catch(() => kept.delete(username));
    return token;
  };
}

function onDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
