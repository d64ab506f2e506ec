/** Rows of offboardings, each function in the caller's transaction, which holds the tenant's row. */
import { Not, type EntityManager } from 'typeorm';
import type { Offboarding } from '../domain/offboarding.ts';
import { offboardingEntity, type OffboardingRow } from './lifecycle-entities.ts';

export type NewOffboarding = Pick<Offboarding, 'tenantId' | 'offboardingId' | 'requestedBy' | 'requestedAt'>;

export async function insertOffboarding(tx: EntityManager, offboarding: NewOffboarding): Promise<void> {
  await tx.insert(offboardingEntity, { ...offboarding, state: 'requested' });
}

export async function findOffboarding(
  tx: EntityManager,
  tenantId: string,
  offboardingId: string,
): Promise<Offboarding | undefined> {
  const row = await tx.findOneBy(offboardingEntity, { tenantId, offboardingId });
  return row === null ? undefined : toOffboarding(row);
}

/** The one that is not cancelled; where all are, the latest. */
export async function latestOffboarding(tx: EntityManager, tenantId: string): Promise<Offboarding | undefined> {
  const standing = await tx.findOneBy(offboardingEntity, { tenantId, state: Not('cancelled') });
  const row =
    standing ?? (await tx.findOne(offboardingEntity, { where: { tenantId }, order: { requestedAt: 'DESC' } }));
  return row === null ? undefined : toOffboarding(row);
}

/** What one step of an offboarding sets; null takes a value away. */
export type OffboardingChange = Partial<Omit<OffboardingRow, 'tenantId' | 'offboardingId' | 'requestedBy'>>;

export async function changeOffboarding(
  tx: EntityManager,
  { tenantId, offboardingId }: Pick<Offboarding, 'tenantId' | 'offboardingId'>,
  change: OffboardingChange,
): Promise<void> {
  await tx.update(offboardingEntity, { tenantId, offboardingId }, change);
}

function toOffboarding(row: OffboardingRow): Offboarding {
  const { approvedBy, approvedAt, stateBefore, deletionAt, keyCheckedAt: _, ...others } = row;
  const { endedAt, removedAt, certificate, ...rest } = others;
  return {
    ...rest,
    approvedBy: approvedBy ?? undefined,
    approvedAt: approvedAt ?? undefined,
    stateBefore: stateBefore ?? undefined,
    deletionAt: deletionAt ?? undefined,
    endedAt: endedAt ?? undefined,
    removedAt: removedAt ?? undefined,
    certificate: certificate ?? undefined,
  };
}
