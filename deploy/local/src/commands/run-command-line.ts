import { Socket } from 'node:net';
import { SetupError, StartError, UsageError } from '../setup/setup-error.ts';

/** A command that was asked to stop: by Ctrl-C, by SIGTERM, or because whoever started it is gone. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

/**
 * Runs a command's main function. The signal aborts when the command is asked to stop; the command then stops what it
 * started and returns. Errors of the set-up and of usage are printed as they are, others with their stack.
 */
export async function runCommandLine(main: (stop: AbortSignal) => Promise<number>): Promise<void> {
  const controller = new AbortController();
  const stop = (): void => {
    controller.abort(new Stopped('asked to stop'));
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop);
  holdLeash(stop);
  try {
    process.exitCode = await main(controller.signal);
  } catch (error) {
    process.exitCode = error instanceof Stopped ? 130 : 1;
    const forPeople = [SetupError, UsageError, StartError].some((kind) => error instanceof kind);
    if (forPeople && error instanceof Error) console.error(`\n${error.message}`);
    else if (!(error instanceof Stopped)) console.error(error);
  }
  process.exit();
}

/**
 * The bootstrap holds the other end of the descriptor that LAUNCHER_LEASH_FD names: when it is gone, however it went, this
 * command stops. The name is taken out of the environment, because the descriptor is not for our own children.
 */
function holdLeash(stop: () => void): void {
  const fd = Number(process.env['LAUNCHER_LEASH_FD'] ?? '');
  delete process.env['LAUNCHER_LEASH_FD'];
  if (!Number.isInteger(fd) || fd < 3) return;
  const leash = new Socket({ fd, readable: true, writable: false });
  leash.on('error', stop);
  leash.on('close', stop);
  leash.resume();
  leash.unref();
}

/** Rejects with Stopped when the signal aborts. */
export async function whenStopped(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => {
      reject(new Stopped('asked to stop'));
    };
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
