import { createHash } from 'node:crypto';
import { access, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { hasCommand, runCommand } from '../setup/run-command.ts';
import { SetupError } from '../setup/setup-error.ts';
import { createPrivateApt, type PrivateApt } from './private-apt.ts';

/** Major version of the packaged server: headers and extensions have to be of the same. */
const postgresMajor = 17;

/** The release that is built when GitHub can be reached; Debian's own source is the other. */
const upstream = {
  version: '0.8.6',
  url: 'https://github.com/pgvector/pgvector/archive/refs/tags/v0.8.6.tar.gz',
  sha256: '10bf9938906e5d643bbc4a7eea104b6f57ba4898e5b76b20e60484ea1d5a7f8f',
  timeoutMs: 15_000,
};

export interface InstallOptions {
  /** The copy of the server that gets the extension. */
  readonly serverDir: string;
  /** Folder for sources and headers; removed at the end. */
  readonly workDir: string;
  readonly progress: (line: string) => void;
}

/**
 * Compiles pgvector for the server in `serverDir` and installs it there, with a marker file that names its version.
 * Thrown: SetupError without a C compiler or without a network.
 */
export async function installPgvector(options: InstallOptions): Promise<void> {
  const { serverDir, workDir, progress } = options;
  const compiler = await findCompiler();
  await rm(workDir, { recursive: true, force: true });
  await mkdir(workDir, { recursive: true });
  try {
    // One private apt for both packages: its index is read once, and only when something has to come from it.
    let apt: Promise<PrivateApt> | undefined;
    const getApt = async (): Promise<PrivateApt> => (apt ??= createPrivateApt(path.join(workDir, 'apt'), progress));
    const sourceDir = await fetchSource(workDir, progress, getApt);
    const includeDir = await findHeaders(workDir, progress, getApt);
    await compile(compiler, sourceDir, includeDir, workDir, progress);
    await copyExtension(sourceDir, workDir, serverDir);
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

async function findCompiler(): Promise<string> {
  for (const compiler of ['gcc', 'cc', 'clang']) if (await hasCommand(compiler)) return compiler;
  throw new SetupError(
    'No C compiler was found (gcc, cc or clang), and the embedded Postgres needs pgvector compiled.',
    {
      remedy: 'On Debian or Ubuntu: apt-get install gcc libc6-dev',
    },
  );
}

async function fetchSource(
  workDir: string,
  progress: (line: string) => void,
  getApt: () => Promise<PrivateApt>,
): Promise<string> {
  const archive = path.join(workDir, 'pgvector.tar.gz');
  const bytes = await downloadUpstream();
  if (bytes === undefined) {
    progress('Postgres: GitHub is out of reach; taking the source of pgvector from the Debian archive');
    const apt = await getApt();
    await copyFile(await apt.downloadSource('pgvector'), archive);
  } else {
    await writeFile(archive, bytes);
  }
  const sourceDir = path.join(workDir, 'source');
  await mkdir(sourceDir);
  await runCommand('tar', ['-xzf', archive, '-C', sourceDir, '--strip-components=1', '--no-same-owner'], {
    timeoutMs: 60_000,
  });
  return sourceDir;
}

/** The pinned release, or undefined when it cannot be had. A file that is not the pinned one is never used. */
async function downloadUpstream(): Promise<Uint8Array | undefined> {
  let bytes: Uint8Array;
  try {
    const response = await fetch(upstream.url, { signal: AbortSignal.timeout(upstream.timeoutMs) });
    if (!response.ok) return undefined;
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch {
    return undefined;
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return sha256 === upstream.sha256 ? bytes : undefined;
}

/** Folder that holds `postgresql/17/server/postgres.h`: the system's when it is there, otherwise Debian's package. */
async function findHeaders(
  workDir: string,
  progress: (line: string) => void,
  getApt: () => Promise<PrivateApt>,
): Promise<string> {
  const header = `postgresql/${postgresMajor}/server/postgres.h`;
  const installed = await access(path.join('/usr/include', header)).then(
    () => true,
    () => false,
  );
  if (installed) return '/usr/include';
  progress(`Postgres: fetching the headers of Postgres ${postgresMajor} from the Debian archive`);
  const apt = await getApt();
  const deb = await apt.downloadBinary(`postgresql-server-dev-${postgresMajor}`);
  const headers = path.join(workDir, 'headers');
  await runCommand('dpkg', ['-x', deb, headers], { timeoutMs: 60_000 });
  return path.join(headers, 'usr/include');
}

async function compile(
  compiler: string,
  sourceDir: string,
  includeDir: string,
  workDir: string,
  progress: (line: string) => void,
): Promise<void> {
  progress('Postgres: compiling pgvector');
  const sources = (await readdir(path.join(sourceDir, 'src')))
    .filter((name) => name.endsWith('.c'))
    .map((name) => path.join('src', name));
  // The flags of pgvector's own Makefile, but for -march=native: the folder may be moved to another machine, and the
  // hot loops choose their instruction set at run time anyway.
  const flags = ['-O2', '-fPIC', '-shared', '-ftree-vectorize', '-fassociative-math', '-fno-signed-zeros'];
  const postgresFlags = ['-fno-trapping-math', '-fno-strict-aliasing', '-fwrapv', '-D_GNU_SOURCE'];
  const includes = [`-I${includeDir}/postgresql/${postgresMajor}/server`, `-I${includeDir}/postgresql`];
  const args = [...flags, ...postgresFlags, ...includes, '-o', path.join(workDir, 'vector.so'), ...sources, '-lm'];
  try {
    await runCommand(compiler, args, { cwd: sourceDir, timeoutMs: 300_000 });
  } catch (cause) {
    throw new SetupError(`pgvector does not compile here. ${(cause as Error).message}`, {
      remedy: 'On Debian or Ubuntu the compiler and the C library come with: apt-get install gcc libc6-dev',
      cause,
    });
  }
}

async function copyExtension(sourceDir: string, workDir: string, serverDir: string): Promise<void> {
  const control = await readFile(path.join(sourceDir, 'vector.control'), 'utf8');
  const version = /default_version = '([^']+)'/.exec(control)?.[1];
  if (version === undefined) throw new Error('vector.control names no version.');
  const extensionDir = path.join(serverDir, 'share/postgresql/extension');
  await mkdir(extensionDir, { recursive: true });
  await copyFile(path.join(workDir, 'vector.so'), path.join(serverDir, 'lib/postgresql/vector.so'));
  await copyFile(path.join(sourceDir, 'vector.control'), path.join(extensionDir, 'vector.control'));
  await copyFile(path.join(sourceDir, 'sql/vector.sql'), path.join(extensionDir, `vector--${version}.sql`));
  await writeFile(path.join(serverDir, 'pgvector-version'), `${version}\n`);
}
