import { AppError, callContext, needs } from '@wardstone/rpc';
import { changeOffboarding, findOffboarding } from '../db/offboardings.ts';
import { lockTenant, setState } from '../db/tenants.ts';
import { toWireOffboarding } from '../lifecycle-wire.ts';
import { advanceNow, type AdvanceNowDeps } from '../lifecycle/advance-now.ts';
import { recordForTenant } from '../lifecycle/record.ts';
import type { LifecycleHandlers } from './deps.ts';
import { requirePerson } from './require-person.ts';
import { targetTenant } from './target-tenant.ts';

/**
 * The second of two signatures, by another administrator. With its commit the tenant is closed, and every service is told.
 * The key is disabled right after; where that fails now, the driver does it.
 */
export function approveOffboarding(deps: AdvanceNowDeps): LifecycleHandlers['approveOffboarding'] {
  return async (request, ctx) => {
    const call = callContext(ctx);
    requirePerson(call);
    const tenantId = targetTenant(call, request.tenantId);
    const offboardingId = request.offboardingId.toLowerCase();
    const approvedBy = call.principal.subject;
    await deps.database.inTenant(tenantId, async (tx) => {
      const { state: stateBefore } = await lockTenant(tx, tenantId);
      const found = await findOffboarding(tx, tenantId, offboardingId);
      needs(found, 'OFFBOARDING_NOT_FOUND');
      if (found.requestedBy === approvedBy) throw new AppError('OFFBOARDING_NEEDS_ANOTHER');
      if (found.approvedBy === approvedBy && found.state !== 'cancelled') return;
      needs(found.state === 'requested', 'OFFBOARDING_STATE_CONFLICT');
      await changeOffboarding(tx, found, { state: 'approved', approvedBy, approvedAt: deps.now(), stateBefore });
      await setState(tx, tenantId, 'offboarding');
      await recordForTenant(deps.auditor, call, tenantId, {
        action: 'offboarding.approve',
        resourceType: 'offboarding',
        resourceIds: [offboardingId],
      });
    });
    return { offboarding: toWireOffboarding(await advanceNow(deps, call, { tenantId, offboardingId }), []) };
  };
}
