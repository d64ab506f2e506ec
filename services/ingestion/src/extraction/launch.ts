/** How an extraction process is started: with as few rights as the platform can take away. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { dirname, join, sep } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { packageFolders } from './package-folders.ts';

export type ExtractionChild = ChildProcessByStdio<Writable, Readable, null>;

export interface LaunchOptions {
  /** Limit of V8's heap in the process, in MiB. */
  readonly maxHeapMiB: number;
  /** Program to run in place of child.ts: tests of this folder start processes that misbehave. */
  readonly entry?: string;
}

/** Works out the command once; the returned function starts one process. */
export function createLauncher(options: LaunchOptions): () => ExtractionChild {
  const here = dirname(realpathSync(fileURLToPath(import.meta.url)));
  const domain = join(dirname(here), 'domain');
  const entry = realpathSync(options.entry ?? fileURLToPath(defaultEntry()));
  const pdfjs = realpathSync(fileURLToPath(import.meta.resolve('pdfjs-dist/legacy/build/pdf.mjs')));
  const pdfjsPackage = dirname(dirname(dirname(pdfjs)));
  const readable = new Set([dirname(entry), domain, pdfjsPackage, ...packageFolders('@langchain/textsplitters', here)]);
  const flags = [
    '--permission',
    ...[...readable].map((folder) => `--allow-fs-read=${join(folder, sep)}*`),
    `--max-old-space-size=${String(options.maxHeapMiB)}`,
    '--disallow-code-generation-from-strings',
    '--no-addons',
    '--no-warnings',
  ];
  const node = [process.execPath, ...flags, entry, pathToFileURL(pdfjs).href];
  const coreless = [...withoutCore, ...node];
  const [command = '', ...args] = diesWithItsParent() ? [...setpriv, ...coreless] : coreless;
  return () => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'], env: {}, cwd: dirname(entry) });
    if (child.pid !== undefined) lowerPriority(child.pid);
    return child;
  };
}

/** The sources run as .ts in development and as .js in images; a URL is not rewritten by the compiler. */
function defaultEntry(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url);
}

/**
 * A core dump would hold the document's text. The shell's program is fixed: what it runs comes as arguments, which it does
 * not read. Every POSIX system has both programs, and dash, bash and BusyBox have the option. `env` takes away what shells add
 * to the environment.
 */
const withoutCore = ['/bin/sh', '-c', 'ulimit -c 0 && exec /usr/bin/env -i "$@"', 'sh'];

const setpriv = ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--no-new-privs', '--'];

/**
 * A process that spins does not notice that its parent was killed. util-linux's setpriv makes the kernel kill it; where
 * that is missing, an orphan lives until it next reads or writes.
 */
function diesWithItsParent(): boolean {
  if (process.platform !== 'linux') return false;
  const [command = '', ...args] = setpriv;
  return spawnSync(command, [...args, process.execPath, '--version'], { stdio: 'ignore' }).status === 0;
}

/** Extraction is background work: searches and uploads go first. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // The process is gone already, or the platform does not let us: neither matters here.
  }
}
