import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** A process of this machine, told from a later one with the same id by its start. */
export interface ProcessSeen {
  readonly pid: number;
  readonly parent: number;
  /** When it began, in the kernel's ticks. */
  readonly startedAt: string;
}

/** Everything that a process has started, and what that has started, itself included. Reads /proc (Linux). */
export async function processTree(root: number): Promise<ProcessSeen[]> {
  const all = await processes();
  const tree = all.filter(({ pid }) => pid === root);
  for (const parent of tree) tree.push(...all.filter((one) => one.parent === parent.pid));
  return tree;
}

/** Those of the processes that still run. */
export async function stillRunning(seen: readonly ProcessSeen[]): Promise<number[]> {
  const now = new Map((await processes()).map(({ pid, startedAt }) => [pid, startedAt]));
  return seen.filter(({ pid, startedAt }) => now.get(pid) === startedAt).map(({ pid }) => pid);
}

/** Processes whose arguments or environment name a folder: whatever was started for it. */
export async function processesNaming(dir: string): Promise<number[]> {
  const found = await Promise.all(
    (await processIds()).map(async (pid) => {
      const texts = await Promise.all(['cmdline', 'environ'].map(async (name) => ofProcess(pid, name)));
      return texts.some((text) => text.includes(dir)) ? [pid] : [];
    }),
  );
  return found.flat();
}

async function processes(): Promise<ProcessSeen[]> {
  const all = await Promise.all(
    (await processIds()).map(async (pid) => {
      const stat = await ofProcess(pid, 'stat');
      // The second field is the program's name in parentheses and may hold blanks; then: state, parent, … start (22nd).
      const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const startedAt = rest[17];
      // A zombie has ended; nobody has asked for its exit code yet.
      if (parent === undefined || startedAt === undefined || state === 'Z') return [];
      return [{ pid, parent: Number(parent), startedAt }];
    }),
  );
  return all.flat();
}

async function processIds(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** A file of a process; empty when the process is gone, or is not ours to look into. */
async function ofProcess(pid: number, name: string): Promise<string> {
  try {
    return await readFile(path.join('/proc', String(pid), name), 'latin1');
  } catch {
    return '';
  }
}
