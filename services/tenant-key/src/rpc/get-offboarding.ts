import { callContext, needs } from '@wardstone/rpc';
import { latestOffboarding } from '../db/offboardings.ts';
import { progressOf } from '../db/work.ts';
import { toWireOffboarding } from '../lifecycle-wire.ts';
import type { Deps, LifecycleHandlers } from './deps.ts';
import { targetTenant } from './target-tenant.ts';

/** Where the tenant's latest offboarding stands. Holds nothing of a patient: no event. */
export function getOffboarding({ database }: Pick<Deps, 'database'>): LifecycleHandlers['getOffboarding'] {
  return async (request, ctx) => {
    const tenantId = targetTenant(callContext(ctx), request.tenantId);
    return database.inTenant(tenantId, async (tx) => {
      const offboarding = await latestOffboarding(tx, tenantId);
      needs(offboarding, 'OFFBOARDING_NOT_FOUND');
      const progress = await progressOf(tx, { tenantId, workId: offboarding.offboardingId, kind: 'purge' });
      return { offboarding: toWireOffboarding(offboarding, progress) };
    });
  };
}
