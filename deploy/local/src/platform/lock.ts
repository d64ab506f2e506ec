import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readText } from '../setup/files.ts';
import { UsageError } from '../setup/setup-error.ts';

const maxAttempts = 80;
const guardWaitMs = 25;

/**
 * Takes a state folder for this process alone; resolves with a function that gives it back. A lock whose process is gone
 * does not count. Thrown: UsageError naming the process that has it.
 */
export async function takeLock(lockFile: string): Promise<() => Promise<void>> {
  await mkdir(path.dirname(lockFile), { recursive: true });
  const own = `${process.pid} ${await startTime(process.pid)}`;
  const candidate = `${lockFile}.${randomBytes(6).toString('hex')}`;
  await writeFile(candidate, own, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      if (await linked(candidate, lockFile)) return async () => giveBack(lockFile, own);
      const holder = await livingHolder(lockFile);
      if (holder !== undefined) {
        throw new UsageError(
          `Wardstone is running from ${path.dirname(lockFile)} already (process ${holder}). ` +
            'Stop it first, or set WARDSTONE_STATE_DIR to another folder.',
        );
      }
      await removeStale(lockFile);
    }
    throw new UsageError(`Several starts are after ${lockFile} at once. Try again.`);
  } finally {
    await rm(candidate, { force: true });
  }
}

/** The living process that holds the lock; undefined when it is free or its holder is gone. */
export async function livingHolder(lockFile: string): Promise<number | undefined> {
  const [pid = '', started = ''] = (await readText(lockFile))?.split(' ') ?? [];
  if (!/^\d+$/.test(pid)) return undefined;
  // The start time tells the holder from a later process with the same number.
  return (await startTime(Number(pid))) === started && started !== '' ? Number(pid) : undefined;
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes a lock whose holder is gone, one start at a time: whoever looked before another start took the lock must not
 * remove the new one. While the file stands, nobody can link another in its place.
 */
async function removeStale(lockFile: string): Promise<void> {
  const guard = `${lockFile}.takeover`;
  try {
    await mkdir(guard);
  } catch {
    await setTimeout(guardWaitMs);
    return;
  }
  try {
    const stands = (await readText(lockFile)) !== undefined;
    if (stands && (await livingHolder(lockFile)) === undefined) await rm(lockFile, { force: true });
  } finally {
    await rmdir(guard);
  }
}

async function giveBack(lockFile: string, own: string): Promise<void> {
  if ((await readText(lockFile)) === own) await rm(lockFile, { force: true });
}

/** When a process began, in the kernel's ticks; empty when there is no such process, or no /proc to ask. */
async function startTime(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold blanks; the 22nd is the start time.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return process.platform === 'linux' ? '' : isAlive(pid);
  }
}

function isAlive(pid: number): string {
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch {
    return '';
  }
}
