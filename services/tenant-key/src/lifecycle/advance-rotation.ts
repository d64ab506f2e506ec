/** The end of a key rotation: older versions are retired when no service holds anything under them. */
import { systemPrincipal } from '@wardstone/access';
import { completeRotation, findRotation } from '../db/rotations.ts';
import { lockTenant, retireDataKeys } from '../db/tenants.ts';
import { addWork, progressOf } from '../db/work.ts';
import { resealHolders } from '../domain/rotation.ts';
import { isDoneBy, missingHolders } from '../domain/work.ts';
import type { Deps } from '../rpc/deps.ts';

/**
 * Retires what the tenant's open rotation has made unused. Idempotent; does nothing while work is left. A service that
 * came to hold values after the rotation was begun is given its work first.
 */
export async function advanceRotation(
  deps: Pick<Deps, 'database' | 'auditor' | 'now'>,
  tenantId: string,
): Promise<void> {
  await deps.database.inTenant(tenantId, async (tx) => {
    const { state } = await lockTenant(tx, tenantId);
    const rotation = await findRotation(tx, tenantId);
    if (state !== 'active' || rotation === undefined || rotation.completedAt !== undefined) return;
    const { rotationId, keyVersion } = rotation;
    const progress = await progressOf(tx, { tenantId, workId: rotationId, kind: 'reseal' });
    const now = deps.now();
    const missing = missingHolders(progress, resealHolders);
    if (missing.length > 0) {
      // All other work is done, so that no write can be under an older version any more.
      const work = { workId: rotationId, tenantId, kind: 'reseal', keyVersion, settledAt: now } as const;
      await addWork(tx, { ...work, holders: missing }, now);
      return;
    }
    if (!isDoneBy(progress, resealHolders)) return;

    const retired = await retireDataKeys(tx, tenantId, keyVersion, now);
    if (!(await completeRotation(tx, rotation, now))) return;
    await deps.auditor.record(
      { principal: systemPrincipal('tenant-key', tenantId), requestId: rotationId },
      {
        action: 'key-rotation.complete',
        resourceType: 'key-rotation',
        resourceIds: [rotationId],
        outcome: 'success',
        attributes: { key_version: String(keyVersion), retired: String(retired) },
      },
    );
  });
}
