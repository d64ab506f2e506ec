import { chown, lstat, mkdir, realpath, rm } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { hasCommand, tryCommand } from '../setup/run-command.ts';
import { SetupError } from '../setup/setup-error.ts';

/** How programs of Postgres are started, which refuse to run as root. */
export interface RunAs {
  readonly kind: 'self' | 'user-namespace' | 'nobody';
  /** Command and arguments for a program that ends with this process, however this process ends. */
  command(program: string, args: readonly string[]): [command: string, args: string[]];
}

const nobody = 65534;
const probeTimeoutMs = 10_000;

/**
 * Chooses how to run Postgres: as we are, unless that is root. Root runs it in a user namespace of its own, where it is
 * `nobody` and its files still belong to root; where namespaces are forbidden (most containers) as the user `nobody`.
 */
export async function chooseRunAs(uid: number | undefined = process.getuid?.()): Promise<RunAs> {
  const leash = (await hasCommand('setpriv')) ? ['setpriv', '--pdeathsig', 'INT', '--'] : [];
  if (uid !== 0) return { kind: 'self', command: (program, args) => split([...leash, program, ...args]) };

  const unshare = ['unshare', '--user', `--map-user=${nobody}`, `--map-group=${nobody}`, '--'];
  const probe = await tryCommand('unshare', [...unshare.slice(1), 'true'], { timeoutMs: probeTimeoutMs });
  if (probe.code === 0) {
    // The leash comes last: entering the namespace would take it off again.
    return { kind: 'user-namespace', command: (program, args) => split([...unshare, ...leash, program, ...args]) };
  }
  if (leash.length === 0) throw new SetupError('Postgres refuses to run as root, and setpriv (util-linux) is missing.');
  const drop = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--pdeathsig', 'INT', '--'];
  return { kind: 'nobody', command: (program, args) => split([...drop, program, ...args]) };
}

/**
 * The folder that Postgres works in: `dir` itself, or for `nobody`, who may not be able to enter the folders above it
 * (a clone below /root), one below /var/tmp that belongs to this `dir` alone.
 */
export async function reachableDir(runAs: RunAs, dir: string): Promise<string> {
  if (runAs.kind !== 'nobody') return dir;
  await mkdir(dir, { recursive: true });
  const [command, args] = runAs.command('test', ['-x', dir]);
  const probe = await tryCommand(command, args, { timeoutMs: probeTimeoutMs });
  if (probe.code === 0) return dir;
  const foreign = foreignDir(await realpath(dir));
  await mkdir(foreign, { recursive: true, mode: 0o755 });
  const owner = await lstat(foreign);
  if (!owner.isDirectory() || owner.uid !== process.getuid?.()) {
    throw new SetupError(`${foreign} belongs to somebody else, and the folder of this clone is closed to Postgres.`);
  }
  return foreign;
}

/** Removes what `reachableDir` may have put outside the state folder. */
export async function removeForeignDir(dir: string): Promise<void> {
  const resolved = await realpath(dir).catch(() => dir);
  await rm(foreignDir(resolved), { recursive: true, force: true });
}

/** Gives a file or folder to the user whom Postgres will run as. */
export async function giveTo(runAs: RunAs, file: string): Promise<void> {
  if (runAs.kind === 'nobody') await chown(file, nobody, nobody);
}

function foreignDir(dir: string): string {
  const name = createHash('sha256').update(dir).digest('hex').slice(0, 16);
  return path.join('/var/tmp', `wardstone-${name}`);
}

function split(words: string[]): [string, string[]] {
  const [command = '', ...args] = words;
  return [command, args];
}
