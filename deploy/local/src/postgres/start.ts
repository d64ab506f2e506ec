import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { keptSecret, readText } from '../setup/files.ts';
import { keptPorts } from '../setup/ports.ts';
import { runCommand } from '../setup/run-command.ts';
import { SetupError } from '../setup/setup-error.ts';
import { chooseRunAs, giveTo, reachableDir, type RunAs } from './run-as.ts';
import { prepareServerFiles } from './server-files.ts';

export interface PostgresOptions {
  /** Folder of the server's programs, shared by every data folder of this clone. */
  readonly cacheDir: string;
  /** Folder of this server's data, password, port and log. */
  readonly dir: string;
  readonly progress: (line: string) => void;
  /** Whether commits reach the disk; false is for tests' data alone. True unless told. */
  readonly durable?: boolean;
}

export interface RunningPostgres {
  /** URL of the superuser, on the database `postgres`. */
  readonly adminUrl: string;
  /** Process id of the embedded server; undefined for a server that already ran. */
  readonly pid: number | undefined;
  /** Settles when the server ends, with words that say how; never for a server that already ran. */
  readonly exited: Promise<string>;
  /** Sends a signal to the embedded server. */
  kill(signal: NodeJS.Signals): void;
  /** Stops the server after a checkpoint. Idempotent; does nothing to a server that already ran. */
  stop(): Promise<void>;
}

const startTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;
const predecessorTimeoutMs = 30_000;

/**
 * Starts the embedded Postgres with pgvector, making its data folder on first use. It listens on 127.0.0.1 alone, asks
 * for a password (SCRAM), syncs to disk, and ends when this process ends. Thrown: SetupError.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const runAs = await chooseRunAs();
  const dir = await reachableDir(runAs, options.dir);
  const cacheDir = dir === options.dir ? options.cacheDir : path.join(dir, 'cache');
  const files = await prepareServerFiles(cacheDir, options.progress);
  const password = await keptSecret(path.join(options.dir, 'superuser-password'));
  const dataDir = path.join(dir, 'data');
  await makeCluster({ runAs, programs: path.join(files.dir, 'bin'), dataDir, password });
  await waitForPredecessor(dataDir);

  const { postgres: port } = await keptPorts(path.join(options.dir, 'ports.json'), ['postgres']);
  const logFile = path.join(options.dir, 'postgres.log');
  const child = spawnServer({
    runAs,
    program: path.join(files.dir, 'bin/postgres'),
    dataDir,
    port,
    logFile,
    durable: options.durable ?? true,
  });
  const adminUrl = `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;
  try {
    await waitUntilAnswering(child, adminUrl, logFile);
  } catch (error) {
    child.kill('SIGQUIT');
    throw error;
  }
  return {
    adminUrl,
    pid: child.pid,
    exited: exitOf(child),
    kill: (signal) => {
      child.kill(signal);
    },
    stop: async () => stopServer(child),
  };
}

async function exitOf(child: ChildProcess): Promise<string> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.signalCode === null ? `exited with ${String(child.exitCode)}` : `was ended by ${child.signalCode}`;
}

/** Uses a Postgres that already runs. Thrown: SetupError when it does not answer or has no pgvector. */
export async function useRunningPostgres(adminUrl: string): Promise<RunningPostgres> {
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    const { rowCount } = await client.query(`select from pg_available_extensions where name = 'vector'`);
    if (rowCount === 0) throw new SetupError('The server of WARDSTONE_DATABASE_URL has no pgvector.');
  } catch (cause) {
    if (cause instanceof SetupError) throw cause;
    throw new SetupError(`The server of WARDSTONE_DATABASE_URL does not answer: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    await client.end().catch(() => undefined);
  }
  const never = new Promise<string>(() => undefined);
  return { adminUrl, pid: undefined, exited: never, kill: () => undefined, stop: () => Promise.resolve() };
}

/** The server that WARDSTONE_DATABASE_URL names, or the embedded one. */
export async function openPostgres(options: PostgresOptions, env: NodeJS.ProcessEnv): Promise<RunningPostgres> {
  const adminUrl = env['WARDSTONE_DATABASE_URL'];
  if (adminUrl === undefined || adminUrl === '') return startPostgres(options);
  options.progress('Postgres: using the server of WARDSTONE_DATABASE_URL');
  return useRunningPostgres(adminUrl);
}

interface Cluster {
  readonly runAs: RunAs;
  readonly programs: string;
  readonly dataDir: string;
  readonly password: string;
}

/** Makes the data folder beside its place and moves it there when it is whole: a crash in between leaves nothing half. */
async function makeCluster({ runAs, programs, dataDir, password }: Cluster): Promise<void> {
  if ((await readText(path.join(dataDir, 'PG_VERSION')).catch(() => '?')) !== undefined) return;
  const fresh = `${dataDir}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true, mode: 0o700 });
  await giveTo(runAs, fresh);
  const passwordFile = `${dataDir}.initdb-password`;
  await writeFile(passwordFile, password, { mode: 0o600 });
  await giveTo(runAs, passwordFile);
  const args = ['--pgdata', fresh, '--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  const [command, commandArgs] = runAs.command(path.join(programs, 'initdb'), [
    ...args,
    ...locale,
    '--no-instructions',
  ]);
  try {
    await runCommand(command, commandArgs, { cwd: '/', timeoutMs: startTimeoutMs });
  } catch (cause) {
    throw new SetupError(`The embedded Postgres could not make its data folder. ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(fresh, dataDir);
}

/** A server whose launcher was killed is told to end, and needs a moment for it. */
async function waitForPredecessor(dataDir: string): Promise<void> {
  const deadline = Date.now() + predecessorTimeoutMs;
  for (;;) {
    const pid = Number((await readText(path.join(dataDir, 'postmaster.pid')).catch(() => undefined))?.split('\n')[0]);
    if (!Number.isInteger(pid) || pid <= 1 || !(await isPostgres(pid))) return;
    if (Date.now() > deadline) {
      throw new SetupError(`Another Postgres (process ${pid}) still uses ${dataDir}. End it and start again.`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Process ids are used again: only a process that is a Postgres counts. */
async function isPostgres(pid: number): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.includes('postgres');
}

interface ServerStart {
  readonly runAs: RunAs;
  readonly program: string;
  readonly dataDir: string;
  readonly port: number;
  readonly logFile: string;
  readonly durable: boolean;
}

function spawnServer({ runAs, program, dataDir, port, logFile, durable }: ServerStart): ChildProcess {
  const settings: Record<string, string | number> = {
    port,
    listen_addresses: '127.0.0.1',
    // No socket in the file system: its path is limited to 107 bytes, and a port with a password serves everyone.
    unix_socket_directories: '',
    max_connections: 300,
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    shared_buffers: '256MB',
    max_wal_size: '1GB',
    // pgvector before 0.8.2 can read beyond its memory while several workers build one HNSW index (CVE-2026-3172).
    max_parallel_maintenance_workers: 0,
    log_min_messages: 'warning',
    // Statements and their parameters can hold content: neither goes to the log.
    log_min_error_statement: 'panic',
    log_parameter_max_length_on_error: 0,
    log_error_verbosity: 'terse',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const [command, args] = runAs.command(program, ['-D', dataDir, ...flags]);
  const log = openSync(logFile, 'a', 0o600);
  try {
    // A session of its own: Ctrl-C in the terminal reaches the launcher alone, which stops the server last.
    return spawn(command, args, { cwd: '/', stdio: ['ignore', log, log], detached: true });
  } finally {
    closeSync(log);
  }
}

async function waitUntilAnswering(child: ChildProcess, url: string, logFile: string): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  for (;;) {
    if (failure !== undefined || child.exitCode !== null || child.signalCode !== null) {
      const lines = (await readText(logFile))?.trim().split('\n').slice(-6).join('\n') ?? '';
      throw new SetupError(`The embedded Postgres ended at once: ${failure?.message ?? ''}\n${lines}`);
    }
    if (await answers(url)) return;
    if (Date.now() > deadline) {
      throw new SetupError(
        `The embedded Postgres did not answer within ${startTimeoutMs / 1000} s. Its log: ${logFile}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Fast shutdown: sessions are ended, what they wrote is kept. A server that does not end in time is killed. */
async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  const kill = setTimeout(() => child.kill('SIGQUIT'), stopTimeoutMs);
  await ended;
  clearTimeout(kill);
}
