import { needs, type CallContext } from '@wardstone/rpc';
import { findOffboarding } from '../db/offboardings.ts';
import type { Offboarding } from '../domain/offboarding.ts';
import type { Deps } from '../rpc/deps.ts';
import { advanceOffboarding, type OffboardingDeps } from './advance-offboarding.ts';

export type AdvanceNowDeps = OffboardingDeps & Pick<Deps, 'metrics'>;

/**
 * Takes the steps of a decision that is committed, without waiting for the driver's next pass. Where one fails now, the driver
 * takes it: the decision stands, and the offboarding that is answered says how far it has come.
 */
export async function advanceNow(
  deps: AdvanceNowDeps,
  call: Pick<CallContext, 'log'>,
  { tenantId, offboardingId }: Pick<Offboarding, 'tenantId' | 'offboardingId'>,
): Promise<Offboarding> {
  await advanceOffboarding(deps, tenantId).catch((error: unknown) => {
    deps.metrics.lifecycleFailures.inc();
    call.log.warn({ err: error, tenantId }, 'an offboarding could not go on at once');
  });
  const offboarding = await deps.database.inTenant(tenantId, (tx) => findOffboarding(tx, tenantId, offboardingId));
  needs(offboarding, 'INTERNAL');
  return offboarding;
}
