import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
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
  /** Where its output goes; to the terminal unless given. */
  readonly outputFile?: string;
  readonly stop: AbortSignal;
}

/** What mocha counted. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly pending: number;
}

/** Runs mocha once; resolves with its exit code. */
export async function runMocha(options: MochaOptions): Promise<number> {
  const { cwd, args, env, countsFile, outputFile, stop } = options;
  await rm(countsFile, { force: true });
  const output = outputFile === undefined ? undefined : await open(outputFile, 'w');
  const child = spawn('mocha', args, {
    cwd,
    env: { ...env, TEST_COUNTS_FILE: countsFile },
    stdio: output === undefined ? 'inherit' : ['ignore', output.fd, output.fd],
  });
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
    await output?.close();
  }
}

/** Of a mocha that had to be ended after its summary: what it left open is reported, the tests have said their say. */
async function verdictOf(countsFile: string): Promise<number> {
  const counts = (await readJson(countsFile)) as Counts | undefined;
  return counts !== undefined && counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

/** Everything, in two lanes that run side by side and take about as long: much of either waits for processes to start and recover. */
export const lanes = {
  programs: ['services/*/test/**/*.test.ts', 'gateway/test/**/*.test.ts'],
  others: ['libs/*/test/**/*.test.ts', 'deploy/*/test/**/*.test.ts'],
} as const;

/** What mocha is told to run, a list for each lane: the files and folders given in one, or everything; options are passed on. */
export function mochaArguments(args: readonly string[], exists: (file: string) => boolean): string[][] {
  const isSpec = (arg: string): boolean => !arg.startsWith('-') && (arg.includes('*') || exists(arg));
  const given = args.filter(isSpec);
  const specs = given.map((name) => (/\.ts$|\*/.test(name) ? name : `${name.replace(/\/+$/, '')}/**/*.test.ts`));
  const common = ['--ignore', '**/node_modules/**', ...args.filter((arg) => !isSpec(arg))];
  const all = specs.length === 0 ? Object.values(lanes) : [specs];
  return all.map((lane) => [...common, ...lane]);
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
