import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { readJson } from '../setup/files.ts';

/** How long mocha may need to end after its summary: whoever needs longer has left something open. */
const lingerTimeoutMs = 20_000;
const pollMs = 200;

export interface MochaOptions {
  readonly cwd: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Where mocha leaves its counts. */
  readonly countsFile: string;
  readonly stop: AbortSignal;
}

/** Runs mocha once, its output going to the terminal; resolves with its exit code. */
export async function runMocha(options: MochaOptions): Promise<number> {
  const { cwd, args, env, countsFile, stop } = options;
  await rm(countsFile, { force: true });
  const child = spawn('mocha', args, { cwd, env: { ...env, TEST_COUNTS_FILE: countsFile }, stdio: 'inherit' });
  const end = (): void => {
    child.kill('SIGTERM');
  };
  stop.addEventListener('abort', end, { once: true });
  const lingering = watchForLingering(countsFile, () => child.kill('SIGKILL'));
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? (await verdictOf(countsFile));
  } finally {
    clearInterval(lingering);
    stop.removeEventListener('abort', end);
  }
}

/** Of a mocha that had to be ended after its summary: what it left open is reported, the tests have said their say. */
async function verdictOf(countsFile: string): Promise<number> {
  const counts = (await readJson(countsFile)) as { passed: number; failed: number } | undefined;
  return counts !== undefined && counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

const everything = ['libs/*/test/**/*.test.ts', 'services/*/test/**/*.test.ts', 'gateway/test/**/*.test.ts'];
everything.push('deploy/*/test/**/*.test.ts');

/** What mocha is told to run: the files and folders given, or everything; options are passed on. */
export function mochaArguments(args: readonly string[], exists: (file: string) => boolean): string[] {
  const isSpec = (arg: string): boolean => !arg.startsWith('-') && (arg.includes('*') || exists(arg));
  const given = args.filter(isSpec);
  const specs = given.map((name) => (/\.ts$|\*/.test(name) ? name : `${name.replace(/\/+$/, '')}/**/*.test.ts`));
  const ignored = ['--ignore', '**/node_modules/**'];
  return [...ignored, ...args.filter((arg) => !isSpec(arg)), ...(specs.length === 0 ? everything : specs)];
}

function watchForLingering(countsFile: string, kill: () => void): NodeJS.Timeout {
  let since: number | undefined;
  return setInterval(() => {
    void readJson(countsFile).then((counts) => {
      if (counts === undefined) return;
      since ??= Date.now();
      if (Date.now() - since < lingerTimeoutMs) return;
      console.error('mocha does not end: a test has left a timer, a socket or a process open.');
      kill();
    });
  }, pollMs);
}
