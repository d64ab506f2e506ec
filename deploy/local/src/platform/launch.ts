import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { readText } from '../setup/files.ts';
import { StartError } from '../setup/setup-error.ts';
import type { Running } from './supervise.ts';

/** A Node program of the platform. */
export interface ProgramSpec {
  readonly name: string;
  /** Its main file. */
  readonly entry: string;
  /** The whole of its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Address that answers 200 when the program is ready. */
  readonly readyUrl: string;
  readonly readyTimeoutMs: number;
  /** How long it may take to end after SIGTERM before it is killed. */
  readonly stopTimeoutMs: number;
}

const maxLogBytes = 20 * 1024 * 1024;
const probeTimeoutMs = 2_000;
const probeIntervalMs = 100;

/** Starts a program in a session of its own, so that Ctrl-C reaches the launcher alone, and on a leash of its parent. */
export function launchProgram(spec: ProgramSpec): Running {
  const child = spawnProgram(spec);
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => {
      resolve(`could not be started (${error.message})`);
    });
    child.once('exit', (code, signal) => {
      // Whatever it had started does not outlive it.
      killGroup(child);
      resolve(signal === null ? `exited with ${String(code)}` : `was ended by ${signal}`);
    });
  });
  return {
    pid: child.pid,
    exited,
    ready: async () => waitUntilReady(spec, exited),
    kill: (signal) => {
      child.kill(signal);
    },
    stop: async () => stopProgram(child, spec.stopTimeoutMs),
  };
}

function spawnProgram(spec: ProgramSpec): ChildProcess {
  const log = openLog(spec.logFile);
  const leash = new URL('./leash.ts', import.meta.url);
  leash.searchParams.set('parent', String(process.pid));
  try {
    return spawn(process.execPath, ['--import', leash.href, spec.entry], {
      cwd: path.dirname(spec.entry),
      env: spec.env,
      stdio: ['ignore', log, log, 'pipe'],
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

function openLog(file: string): number {
  mkdirSync(path.dirname(file), { recursive: true });
  const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes > maxLogBytes) renameSync(file, `${file}.1`);
  return openSync(file, 'a', 0o600);
}

async function waitUntilReady(spec: ProgramSpec, exited: Promise<string>): Promise<void> {
  let end: string | undefined;
  void exited.then((how) => (end = how));
  const deadline = Date.now() + spec.readyTimeoutMs;
  for (;;) {
    if (end !== undefined)
      throw new StartError(`${spec.name} ${end} before it was ready.\n${await lastLines(spec.logFile)}`);
    const probe = await probeReady(spec.readyUrl);
    if (probe === undefined) return;
    if (Date.now() > deadline) {
      const seconds = spec.readyTimeoutMs / 1000;
      throw new StartError(
        `${spec.name} was not ready within ${seconds} s (${probe}).\n${await lastLines(spec.logFile)}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, probeIntervalMs));
  }
}

/** Undefined when ready, otherwise what the program says. */
async function probeReady(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(probeTimeoutMs) });
    const text = await response.text();
    return response.ok ? undefined : `HTTP ${response.status}: ${text.slice(0, 300)}`;
  } catch {
    return 'it does not answer';
  }
}

async function lastLines(file: string): Promise<string> {
  const lines = ((await readText(file)) ?? '').trim().split('\n').slice(-5).join('\n');
  return `Its log, ${file}, ends with:\n${lines.slice(-4000)}`;
}

async function stopProgram(child: ChildProcess, timeoutMs: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const kill = setTimeout(() => {
    killGroup(child);
  }, timeoutMs);
  await ended;
  clearTimeout(kill);
}

/** The program and whatever it has started. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}
