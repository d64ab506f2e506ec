/** The beginning of a key rotation: from its commit on new writes use the new version. */
import type { AuditCall } from '@wardstone/access';
import { needs } from '@wardstone/rpc';
import type { Deps } from '../rpc/deps.ts';
import { addDataKey, lockTenant } from '../db/tenants.ts';
import { findRotation, insertRotation } from '../db/rotations.ts';
import { addWork } from '../db/work.ts';
import { resealHolders, settledAt, type KeyRotation, type RotationCause } from '../domain/rotation.ts';
import { requireActive } from '../domain/tenant.ts';
import { dataKeyContext } from '../key-issuer.ts';
import { recordForTenant } from './record.ts';

export type RotationDeps = Pick<
  Deps,
  'database' | 'tenants' | 'kms' | 'auditor' | 'keyMaxAgeMs' | 'settleMarginMs' | 'now'
>;

/** What is asked for. */
export interface WantedRotation {
  readonly tenantId: string;
  readonly rotationId: string;
  readonly cause: RotationCause;
}

/**
 * Begins a rotation, once per id: the new version, the rotation, the work of the services that hold sealed values and the
 * audit event commit together. KMS is asked before; a key that is not used is forgotten with its wrapping.
 * Thrown: TENANT_NOT_FOUND, TENANT_SUSPENDED, TENANT_OFFBOARDING, KEY_ROTATION_IN_PROGRESS; KEY_UNAVAILABLE and KMS's own.
 */
export async function startRotation(deps: RotationDeps, call: AuditCall, wanted: WantedRotation): Promise<KeyRotation> {
  const { tenantId, rotationId, cause } = wanted;
  const tenant = await deps.tenants.find(tenantId);
  needs(tenant, 'TENANT_NOT_FOUND');
  const repeated = await deps.database.inTenant(tenantId, (tx) => findRotation(tx, tenantId, rotationId));
  if (repeated !== undefined) return repeated;
  requireActive(tenant);

  const version = tenant.keyVersion + 1;
  const { keyId } = await deps.kms.createKey(tenantId);
  const encryptionContext = dataKeyContext(tenantId, version);
  const { plaintext, wrapped } = await deps.kms.generateDataKey({ keyId, encryptionContext });
  plaintext.fill(0);

  return deps.database.inTenant(tenantId, async (tx) => {
    const row = await lockTenant(tx, tenantId);
    const winner = await findRotation(tx, tenantId, rotationId);
    if (winner !== undefined) return winner;
    requireActive(row);
    const latest = await findRotation(tx, tenantId);
    needs(latest === undefined || latest.completedAt !== undefined, 'KEY_ROTATION_IN_PROGRESS');
    needs(row.keyVersion === version - 1, 'KEY_ROTATION_IN_PROGRESS');

    const startedAt = deps.now();
    const requestedBy = call.principal.subject;
    const begun = { rotationId, tenantId, keyVersion: version, cause, requestedBy, startedAt, completedAt: undefined };
    await addDataKey(tx, tenantId, { version, kmsKeyId: keyId, wrapped }, startedAt);
    await insertRotation(tx, begun);
    const settled = settledAt(startedAt, deps.keyMaxAgeMs, deps.settleMarginMs);
    const work = { workId: rotationId, tenantId, kind: 'reseal', keyVersion: version, settledAt: settled } as const;
    await addWork(tx, { ...work, holders: resealHolders }, startedAt);
    await recordForTenant(deps.auditor, call, tenantId, {
      action: 'key-rotation.create',
      resourceType: 'key-rotation',
      resourceIds: [rotationId],
      attributes: { key_version: String(version), cause },
    });
    return begun;
  });
}
