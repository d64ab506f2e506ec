import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { freePort } from '../setup/ports.ts';
import { hasCommand } from '../setup/run-command.ts';
import { SetupError } from '../setup/setup-error.ts';

export interface RunningRedis {
  readonly url: string;
  stop(): Promise<void>;
}

const startTimeoutMs = 10_000;

/**
 * A Redis of the machine's own binary for the tests, keeping nothing; undefined where there is no binary.
 * On a free port unless one is given: a server that comes back comes back where it was.
 */
export async function startTestRedis(dir: string, required: boolean, port?: number): Promise<RunningRedis | undefined> {
  if (!(await hasCommand('redis-server'))) {
    if (!required) return undefined;
    throw new SetupError('redis-server is not installed, and here the tests have to run on Redis too.', {
      remedy: 'On Debian or Ubuntu: apt-get install redis-server',
    });
  }
  await mkdir(dir, { recursive: true });
  const listensAt = port ?? (await freePort());
  const settings = [
    '--port',
    String(listensAt),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    dir,
  ];
  const memory = ['--maxmemory-policy', 'noeviction'];
  const leash = (await hasCommand('setpriv')) ? ['setpriv', '--pdeathsig', 'TERM', '--'] : [];
  const [command = '', ...args] = [...leash, 'redis-server', ...settings, ...memory];
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  const deadline = Date.now() + startTimeoutMs;
  while (!(await accepts(listensAt))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new SetupError('redis-server is installed but does not start.');
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    url: `redis://127.0.0.1:${listensAt}`,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
