import { describeError } from '@wardstone/telemetry';

/** Something that ends in order. */
export interface Closable {
  close(): Promise<void>;
}

/**
 * Runs a program until SIGTERM or SIGINT: starts it, then closes what it started in the order given (servers before
 * workers, workers before queues and databases) and lets the process exit with 0. A start or a close that fails, and any
 * error nobody handled, ends the process with 1: a process in an unknown state must not go on.
 */
export async function runUntilSignal(start: () => Promise<Closable[]>): Promise<void> {
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  const asked = new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  try {
    const running = await start();
    await asked;
    for (const part of running) await part.close();
  } catch (error) {
    die(error);
  }
  process.exit(0);
}

// Written by hand, because the logger may be what failed.
function die(error: unknown): never {
  const problems = error instanceof Error && error.name === 'ConfigError' ? { problem: error.message } : {};
  process.stderr.write(`${JSON.stringify({ level: 'fatal', err: describeError(error), ...problems })}\n`);
  process.exit(1);
}
