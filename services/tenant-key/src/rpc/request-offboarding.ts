import { callContext, needs } from '@wardstone/rpc';
import { v7 as uuidv7 } from 'uuid';
import { findOffboarding, insertOffboarding, latestOffboarding } from '../db/offboardings.ts';
import { lockTenant } from '../db/tenants.ts';
import { toWireOffboarding } from '../lifecycle-wire.ts';
import { recordForTenant } from '../lifecycle/record.ts';
import type { Deps, LifecycleHandlers } from './deps.ts';
import { requirePerson } from './require-person.ts';
import { targetTenant } from './target-tenant.ts';

/**
 * The first of two signatures. The same id again answers with the same request; while one stands, another is
 * OFFBOARDING_ALREADY_EXISTS.
 */
export function requestOffboarding({
  database,
  auditor,
  now,
}: Pick<Deps, 'database' | 'auditor' | 'now'>): LifecycleHandlers['requestOffboarding'] {
  return async (request, ctx) => {
    const call = callContext(ctx);
    requirePerson(call);
    const tenantId = targetTenant(call, request.tenantId);
    const offboardingId = request.offboardingId === '' ? uuidv7() : request.offboardingId.toLowerCase();
    const offboarding = await database.inTenant(tenantId, async (tx) => {
      await lockTenant(tx, tenantId);
      const repeated = await findOffboarding(tx, tenantId, offboardingId);
      if (repeated !== undefined) return repeated;
      const standing = await latestOffboarding(tx, tenantId);
      needs(standing === undefined || standing.state === 'cancelled', 'OFFBOARDING_ALREADY_EXISTS');
      const requestedBy = call.principal.subject;
      await insertOffboarding(tx, { tenantId, offboardingId, requestedBy, requestedAt: now() });
      await recordForTenant(auditor, call, tenantId, {
        action: 'offboarding.request',
        resourceType: 'offboarding',
        resourceIds: [offboardingId],
      });
      return findOffboarding(tx, tenantId, offboardingId);
    });
    needs(offboarding, 'INTERNAL');
    return { offboarding: toWireOffboarding(offboarding, []) };
  };
}
