/** Work that comes up again and again, and that one process of a service does at a time. */
import { createTimerLoop, type TimerLoop, type TimerLoopOptions } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import type { Database } from './database.ts';
import { tryLock } from './locks.ts';

/** What one pass has to work with. */
export interface Pass {
  /** The transaction that holds the lock: without a tenant, and for looking only. */
  readonly tx: EntityManager;
  /** Fires when the loop is closed. */
  readonly signal: AbortSignal;
  /** Whether to begin nothing more: the time of the pass is over, or the loop is closed. */
  isOver(): boolean;
}

/** What a timer loop does in each pass, and what keeps other processes from it. */
export interface PassLoopOptions extends Pick<TimerLoopOptions<number>, 'intervalMs' | 'onFailure'> {
  readonly database: Pick<Database, 'inPlatform'>;
  /** Name of the lock that keeps other processes from their passes. */
  readonly lock: string;
  /** One pass; gives a number of whatever it counts. What one piece of work throws should not end it for the others. */
  readonly work: (pass: Pass) => Promise<number>;
}

/** Passes by themselves once started; `pass()` gives what `work` gave, or 0 when another process is at it. */
export type PassLoop = TimerLoop<number>;

/** A pass holds its lock in a transaction; Postgres ends transactions that idle for a minute. */
const maxPassMs = 30_000;

/** A loop; it does nothing until it is started. Thrown by a pass: DATABASE_UNAVAILABLE, what `work` throws. */
export function createPassLoop({ database, lock, work, ...timer }: PassLoopOptions): PassLoop {
  return createTimerLoop({
    ...timer,
    work: (signal) =>
      database.inPlatform(async (tx) => {
        if (!(await tryLock(tx, lock))) return 0;
        const until = performance.now() + maxPassMs;
        return work({ tx, signal, isOver: () => signal.aborted || performance.now() > until });
      }),
  });
}
