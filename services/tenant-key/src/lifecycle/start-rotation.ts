/** The beginning of a key rotation: from its commit on new writes use the new version. */
import type { AuditCall } from '@wardstone/access';
import { needs } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import { findRotation, insertRotation, lastRequestedAt } from '../db/rotations.ts';
import { addDataKey, lockTenant } from '../db/tenants.ts';
import { addWork } from '../db/work.ts';
import { resealHolders, rotationWaitMs, settledAt, type KeyRotation, type RotationCause } from '../domain/rotation.ts';
import { requireActive } from '../domain/tenant.ts';
import { dataKeyContext } from '../key-issuer.ts';
import type { Deps } from '../rpc/deps.ts';
import { recordForTenant } from './record.ts';

export type RotationDeps = Pick<
  Deps,
  'database' | 'tenants' | 'kms' | 'auditor' | 'keyMaxAgeMs' | 'settleMarginMs' | 'rotationMinIntervalMs' | 'now'
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
 * Thrown: TENANT_NOT_FOUND, TENANT_SUSPENDED, TENANT_OFFBOARDING, KEY_ROTATION_IN_PROGRESS, KEY_ROTATION_TOO_SOON;
 * KEY_UNAVAILABLE and KMS's own.
 */
export async function startRotation(deps: RotationDeps, call: AuditCall, wanted: WantedRotation): Promise<KeyRotation> {
  const { tenantId, rotationId, cause } = wanted;
  const tenant = await deps.tenants.find(tenantId);
  needs(tenant, 'TENANT_NOT_FOUND');
  // One look: between two of them a repeated call could find its own rotation in its way.
  const look = { isolation: 'REPEATABLE READ' } as const;
  const repeated = await deps.database.inTenant(
    tenantId,
    async (tx) => {
      const found = await findRotation(tx, tenantId, rotationId);
      if (found !== undefined) return found;
      requireActive(tenant);
      await requireDue(deps, tx, wanted);
      return undefined;
    },
    look,
  );
  if (repeated !== undefined) return repeated;

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
    await requireDue(deps, tx, wanted);
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

/**
 * One rotation at a time, and a pause between those that are asked for: each has everything of the tenant sealed again. One
 * that the key's uses force cannot wait, and keeps nobody waiting. Thrown: KEY_ROTATION_IN_PROGRESS, KEY_ROTATION_TOO_SOON.
 */
async function requireDue(
  { now, rotationMinIntervalMs }: Pick<RotationDeps, 'now' | 'rotationMinIntervalMs'>,
  tx: EntityManager,
  { tenantId, cause }: WantedRotation,
): Promise<void> {
  const latest = await findRotation(tx, tenantId);
  needs(latest === undefined || latest.completedAt !== undefined, 'KEY_ROTATION_IN_PROGRESS');
  if (cause !== 'requested') return;
  const waitMs = rotationWaitMs(await lastRequestedAt(tx, tenantId), now(), rotationMinIntervalMs);
  needs(waitMs === 0, 'KEY_ROTATION_TOO_SOON', { retryAfterMs: waitMs });
}
