import { spawn, type SpawnOptions } from 'node:child_process';

export interface CommandResult {
  readonly code: number | undefined;
  readonly stdout: string;
  /** stdout and stderr as they came, the last 64 KiB. */
  readonly output: string;
}

export interface CommandOptions extends Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'> {
  readonly timeoutMs: number;
}

const maxOutputBytes = 64 * 1024;

/** Runs a program to its end. Resolves with `code` undefined when it could not be started, was killed or took too long. */
export async function tryCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const { timeoutMs, ...spawnOptions } = options;
    const child = spawn(command, args, {
      ...spawnOptions,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(-maxOutputBytes);
      output = (output + text).slice(-maxOutputBytes);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-maxOutputBytes);
    });
    child.on('error', (error) => {
      resolve({ code: undefined, stdout, output: `${output}${error.message}` });
    });
    child.on('close', (code) => {
      resolve({ code: code ?? undefined, stdout, output });
    });
  });
}

/** Runs a program that has to succeed. Thrown: Error with the last lines it printed. */
export async function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<string> {
  const result = await tryCommand(command, args, options);
  if (result.code === 0) return result.stdout;
  const lastLines = result.output.trim().split('\n').slice(-12).join('\n');
  throw new Error(`${command} ${args[0] ?? ''} failed (${result.code ?? 'killed or not found'}):\n${lastLines}`);
}

/** Whether a program is on the PATH. */
export async function hasCommand(command: string): Promise<boolean> {
  const result = await tryCommand('sh', ['-c', `command -v "$0"`, command], { timeoutMs: 5_000 });
  return result.code === 0;
}
