import { callContext, needs } from '@wardstone/rpc';
import { changeOffboarding, findOffboarding } from '../db/offboardings.ts';
import { kmsKeysOf, lockTenant, setState } from '../db/tenants.ts';
import { isCancellable } from '../domain/offboarding.ts';
import { toWireOffboarding } from '../lifecycle-wire.ts';
import { recordForTenant } from '../lifecycle/record.ts';
import type { Deps, LifecycleHandlers } from './deps.ts';
import { requirePerson } from './request-offboarding.ts';
import { targetTenant } from './target-tenant.ts';

/**
 * Takes an offboarding back, until the key is deleted. The key is made usable first and the rows follow: a crash in between
 * leaves the tenant closed, and the call is made again.
 */
export function cancelOffboarding({
  database,
  kms,
  auditor,
  now,
}: Pick<Deps, 'database' | 'kms' | 'auditor' | 'now'>): LifecycleHandlers['cancelOffboarding'] {
  return async (request, ctx) => {
    const call = callContext(ctx);
    requirePerson(call);
    const tenantId = targetTenant(call, request.tenantId);
    const offboardingId = request.offboardingId.toLowerCase();
    const offboarding = await database.inTenant(tenantId, async (tx) => {
      await lockTenant(tx, tenantId);
      const found = await findOffboarding(tx, tenantId, offboardingId);
      needs(found, 'OFFBOARDING_NOT_FOUND');
      if (found.state === 'cancelled') return found;
      needs(isCancellable(found, now()), 'OFFBOARDING_STATE_CONFLICT');
      if (found.state !== 'requested') {
        for (const { keyId } of await kmsKeysOf(tx, tenantId)) {
          await kms.cancelDeletion(keyId);
          await kms.enableKey(keyId);
        }
        await setState(tx, tenantId, found.stateBefore ?? 'active');
      }
      await changeOffboarding(tx, found, { state: 'cancelled', endedAt: now() });
      await recordForTenant(auditor, call, tenantId, {
        action: 'offboarding.cancel',
        resourceType: 'offboarding',
        resourceIds: [offboardingId],
      });
      return findOffboarding(tx, tenantId, offboardingId);
    });
    needs(offboarding, 'INTERNAL');
    return { offboarding: toWireOffboarding(offboarding, []) };
  };
}
