import { callContext, needs } from '@wardstone/rpc';
import { findRotation } from '../db/rotations.ts';
import { progressOf } from '../db/work.ts';
import { toWireRotation } from '../lifecycle-wire.ts';
import type { Deps, LifecycleHandlers } from './deps.ts';
import { targetTenant } from './target-tenant.ts';

/** One rotation of the tenant, or its latest, with how far each service is. Holds nothing of a patient: no event. */
export function getKeyRotation({ database }: Pick<Deps, 'database'>): LifecycleHandlers['getKeyRotation'] {
  return async (request, ctx) => {
    const tenantId = targetTenant(callContext(ctx), request.tenantId);
    const wanted = request.rotationId === '' ? undefined : request.rotationId.toLowerCase();
    return database.inTenant(tenantId, async (tx) => {
      const rotation = await findRotation(tx, tenantId, wanted);
      needs(rotation, 'KEY_ROTATION_NOT_FOUND');
      const progress = await progressOf(tx, { tenantId, workId: rotation.rotationId, kind: 'reseal' });
      return { rotation: toWireRotation(rotation, progress) };
    });
  };
}
