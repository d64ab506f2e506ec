/** Takes the steps of rotations and offboardings that are due: at an interval, in one process at a time. */
import { createPassLoop, type PassLoop } from '@wardstone/db';
import { AppError } from '@wardstone/rpc';
import { tenantsDue } from '../db/work.ts';
import type { Deps } from '../rpc/deps.ts';
import { advanceOffboarding, type OffboardingDeps } from './advance-offboarding.ts';
import { advanceRotation } from './advance-rotation.ts';

const maxTenantsPerPass = 200;
/** How often a key that waits for its deletion is looked at: one that somebody enabled is usable for so long at most. */
const keyCheckIntervalMs = 10 * 60_000;
/** A driver; `intervalMs` is the pause between two passes, give or take a fifth. A pass gives the number of tenants it looked at. */
export function createLifecycleDriver(
  deps: OffboardingDeps & Pick<Deps, 'database' | 'metrics'>,
  { intervalMs }: { readonly intervalMs: number },
): PassLoop {
  return createPassLoop({
    database: deps.database,
    lock: 'wardstone-tenant-key-driver',
    intervalMs,
    work: async ({ tx, isOver }) => {
      const now = deps.now();
      const checkedBefore = new Date(now.getTime() - keyCheckIntervalMs);
      const tenants = await tenantsDue(tx, { now, checkedBefore, limit: maxTenantsPerPass });
      for (const tenantId of tenants) {
        if (isOver()) break;
        await advance(deps, tenantId);
      }
      return tenants.length;
    },
    onFailure: (error) => {
      deps.log.warn({ err: error }, 'lifecycle pass failed');
    },
  });
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
