/** Rows of rotations, each function in the caller's transaction. */
import type { EntityManager } from 'typeorm';
import type { KeyRotation } from '../domain/rotation.ts';
import { keyRotationEntity, type KeyRotationRow } from './lifecycle-entities.ts';

export async function insertRotation(tx: EntityManager, rotation: KeyRotation): Promise<void> {
  const { completedAt: _completedAt, ...row } = rotation;
  await tx.insert(keyRotationEntity, row);
}

/** One rotation of the tenant, or its latest. */
export async function findRotation(
  tx: EntityManager,
  tenantId: string,
  rotationId?: string,
): Promise<KeyRotation | undefined> {
  const where = { tenantId, ...(rotationId === undefined ? {} : { rotationId }) };
  const row = await tx.findOne(keyRotationEntity, { where, order: { keyVersion: 'DESC' } });
  return row === null ? undefined : toRotation(row);
}

/** When the latest rotation began that somebody asked for. */
export async function lastRequestedAt(tx: EntityManager, tenantId: string): Promise<Date | undefined> {
  const where = { tenantId, cause: 'requested' } as const;
  const row = await tx.findOne(keyRotationEntity, { where, order: { keyVersion: 'DESC' } });
  return row?.startedAt;
}

/** Whether this call ended it: false when it had ended before. */
export async function completeRotation(tx: EntityManager, rotation: KeyRotation, now: Date): Promise<boolean> {
  const { tenantId, rotationId } = rotation;
  const { affected } = await tx
    .createQueryBuilder()
    .update(keyRotationEntity)
    .set({ completedAt: now })
    .where('tenantId = :tenantId and rotationId = :rotationId and completedAt is null', { tenantId, rotationId })
    .execute();
  return affected === 1;
}

function toRotation({ completedAt, ...row }: KeyRotationRow): KeyRotation {
  return { ...row, completedAt: completedAt ?? undefined };
}
