import { callContext, needs } from '@wardstone/rpc';
import { changeOffboarding, findOffboarding } from '../db/offboardings.ts';
import { lockTenant } from '../db/tenants.ts';
import { isCancellable } from '../domain/offboarding.ts';
import { toWireOffboarding } from '../lifecycle-wire.ts';
import { advanceNow, type AdvanceNowDeps } from '../lifecycle/advance-now.ts';
import { recordForTenant } from '../lifecycle/record.ts';
import type { LifecycleHandlers } from './deps.ts';
import { requirePerson } from './require-person.ts';
import { targetTenant } from './target-tenant.ts';

/**
 * Takes an offboarding back, until the key is deleted. The decision commits before KMS is told of it: the key of a tenant that
 * stays closed is never enabled, and a crash in between is taken up by the driver.
 */
export function cancelOffboarding(deps: AdvanceNowDeps): LifecycleHandlers['cancelOffboarding'] {
  return async (request, ctx) => {
    const call = callContext(ctx);
    requirePerson(call);
    const tenantId = targetTenant(call, request.tenantId);
    const offboardingId = request.offboardingId.toLowerCase();
    await deps.database.inTenant(tenantId, async (tx) => {
      await lockTenant(tx, tenantId);
      const found = await findOffboarding(tx, tenantId, offboardingId);
      needs(found, 'OFFBOARDING_NOT_FOUND');
      if (found.state === 'cancelled' || found.state === 'cancelling') return;
      needs(isCancellable(found, deps.now()), 'OFFBOARDING_STATE_CONFLICT');
      // Nothing has happened to the tenant while nobody has approved.
      if (found.state === 'requested') await changeOffboarding(tx, found, { state: 'cancelled', endedAt: deps.now() });
      else await changeOffboarding(tx, found, { state: 'cancelling' });
      await recordForTenant(deps.auditor, call, tenantId, {
        action: 'offboarding.cancel',
        resourceType: 'offboarding',
        resourceIds: [offboardingId],
      });
    });
    return { offboarding: toWireOffboarding(await advanceNow(deps, call, { tenantId, offboardingId }), []) };
  };
}
