/** Takes the steps of rotations and offboardings that are due: at an interval, in one process at a time. */
import { AppError } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import { tenantsDue } from '../db/work.ts';
import type { Deps } from '../rpc/deps.ts';
import { advanceOffboarding, type OffboardingDeps } from './advance-offboarding.ts';
import { advanceRotation } from './advance-rotation.ts';

const maxTenantsPerPass = 200;
/** How often a key that waits for its deletion is looked at: one that somebody enabled is usable for so long at most. */
const keyCheckIntervalMs = 10 * 60_000;
/** A pass holds its lock in a transaction; Postgres ends transactions that idle for a minute. */
const maxPassMs = 30_000;

export interface LifecycleDriver {
  /** One pass now; gives the number of tenants that it looked at. Thrown: DATABASE_UNAVAILABLE. */
  pass(): Promise<number>;
  /** Begins to make passes. */
  start(): void;
  /** Makes no further pass, and waits for the one that runs. */
  close(): Promise<void>;
}

/** A driver; `intervalMs` is the pause between two passes, give or take a fifth. */
export function createLifecycleDriver(
  deps: OffboardingDeps & Pick<Deps, 'database' | 'metrics'>,
  options: { readonly intervalMs: number },
): LifecycleDriver {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let closed = false;

  const pass = (): Promise<number> =>
    deps.database.inPlatform(async (lock) => {
      if (!(await becomeDriver(lock))) return 0;
      const until = performance.now() + maxPassMs;
      const now = deps.now();
      const checkedBefore = new Date(now.getTime() - keyCheckIntervalMs);
      const tenants = await tenantsDue(lock, { now, checkedBefore, limit: maxTenantsPerPass });
      for (const tenantId of tenants) {
        if (closed || performance.now() > until) break;
        await advance(deps, tenantId);
      }
      return tenants.length;
    });

  const schedule = (): void => {
    if (closed) return;
    timer = setTimeout(
      () => {
        running = pass()
          .catch((error: unknown) => {
            deps.log.warn({ err: error }, 'lifecycle pass failed');
          })
          .finally(schedule);
      },
      options.intervalMs * (0.8 + Math.random() * 0.4),
    );
  };

  return {
    pass,
    start: schedule,
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** One tenant that cannot be helped now must not keep the pass from the others. */
async function advance(deps: OffboardingDeps & Pick<Deps, 'metrics'>, tenantId: string): Promise<void> {
  try {
    await advanceOffboarding(deps, tenantId);
    await advanceRotation(deps, tenantId);
  } catch (error) {
    deps.metrics.lifecycleFailures.inc();
    deps.log.warn({ err: error, tenantId, reason: AppError.from(error).reason }, 'a lifecycle step failed');
  }
}

/** True for one process at a time, until the transaction ends. */
async function becomeDriver(tx: EntityManager): Promise<boolean> {
  const [row] = await tx.query<{ locked: boolean }[]>(
    `select pg_try_advisory_xact_lock(hashtextextended('wardstone-tenant-key-driver', 0)) as locked`,
  );
  return row?.locked === true;
}
