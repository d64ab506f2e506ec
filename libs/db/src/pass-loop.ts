/** Work that comes up again and again, and that one process of a service does at a time. */
import { AppError, type Closable } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import type { Database } from './database.ts';
import { tryLock } from './try-lock.ts';

/** What one pass has to work with. */
export interface Pass {
  /** The transaction that holds the lock: without a tenant, and for looking only. */
  readonly tx: EntityManager;
  /** Fires when the loop is closed. */
  readonly signal: AbortSignal;
  /** Whether to begin nothing more: the time of the pass is over, or the loop is closed. */
  isOver(): boolean;
}

/** What a loop does in each pass, how often, and what keeps other processes from it. */
export interface PassLoopOptions {
  readonly database: Pick<Database, 'inPlatform'>;
  /** Name of the lock that keeps other processes from their passes. */
  readonly lock: string;
  /** Pause between two passes, give or take a fifth, so that processes do not all come at once. */
  readonly intervalMs: number;
  /** One pass; gives a number of whatever it counts. What one piece of work throws should not end it for the others. */
  readonly work: (pass: Pass) => Promise<number>;
  /** Told of a pass that failed while the loop runs by itself; the next one is made all the same. */
  readonly onFailure: (error: unknown) => void;
}

/** Passes one after the other, one process at a time, by themselves once started. */
export interface PassLoop extends Closable {
  /** One pass now; gives what `work` gave, or 0 when another process is at it. Thrown: DATABASE_UNAVAILABLE, what `work` throws. */
  pass(): Promise<number>;
  /** Begins to make passes. */
  start(): void;
  /** Makes no further pass, and waits for the one that runs. */
  close(): Promise<void>;
}

/** A pass holds its lock in a transaction; Postgres ends transactions that idle for a minute. */
const maxPassMs = 30_000;

/** A loop; it does nothing until it is started. */
export function createPassLoop({ database, lock, intervalMs, work, onFailure }: PassLoopOptions): PassLoop {
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();

  const pass = (): Promise<number> =>
    database.inPlatform(async (tx) => {
      if (!(await tryLock(tx, lock))) return 0;
      const until = performance.now() + maxPassMs;
      const { signal } = ended;
      return work({ tx, signal, isOver: () => signal.aborted || performance.now() > until });
    });

  const schedule = (): void => {
    if (ended.signal.aborted) return;
    timer = setTimeout(
      () => {
        running = pass()
          .catch((error: unknown) => {
            if (!ended.signal.aborted) onFailure(error);
          })
          .finally(schedule);
      },
      intervalMs * (0.8 + Math.random() * 0.4),
    );
  };

  return {
    pass,
    start: schedule,
    close: async () => {
      ended.abort(new AppError('CANCELLED'));
      clearTimeout(timer);
      await running;
    },
  };
}
