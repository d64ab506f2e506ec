import { callContext } from '@wardstone/rpc';
import { v7 as uuidv7 } from 'uuid';
import { progressOf } from '../db/work.ts';
import { toWireRotation } from '../lifecycle-wire.ts';
import { startRotation, type RotationDeps } from '../lifecycle/start-rotation.ts';
import type { LifecycleHandlers } from './deps.ts';
import { targetTenant } from './target-tenant.ts';

/** Begins a rotation of the tenant's data key; the same id again answers with the same rotation. */
export function startKeyRotation(deps: RotationDeps): LifecycleHandlers['startKeyRotation'] {
  return async (request, ctx) => {
    const call = callContext(ctx);
    const tenantId = targetTenant(call, request.tenantId);
    const rotationId = request.rotationId === '' ? uuidv7() : request.rotationId.toLowerCase();
    const rotation = await startRotation(deps, call, { tenantId, rotationId, cause: 'requested' });
    const progress = await deps.database.inTenant(tenantId, (tx) =>
      progressOf(tx, { tenantId, workId: rotationId, kind: 'reseal' }),
    );
    return { rotation: toWireRotation(rotation, progress) };
  };
}
