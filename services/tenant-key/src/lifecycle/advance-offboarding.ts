/**
 * An approved offboarding, step by step: approved → scheduled → purging → completed. Each step may be repeated, and is taken
 * under the lock of the tenant's row, so that a cancellation comes before it or after it, never in between.
 */
import { systemPrincipal } from '@wardstone/access';
import type { EntityManager } from 'typeorm';
import { changeOffboarding, latestOffboarding } from '../db/offboardings.ts';
import { kmsKeysOf, lockTenant, removeDataKeys, setState } from '../db/tenants.ts';
import { addWork, progressOf } from '../db/work.ts';
import { purgeHolders, type Offboarding } from '../domain/offboarding.ts';
import { isDoneBy } from '../domain/work.ts';
import type { Deps } from '../rpc/deps.ts';
import { certify, publishCertificate, type CertifiedKey } from './certificate.ts';

export type OffboardingDeps = Pick<Deps, 'database' | 'kms' | 'auditor' | 'auditLog' | 'sign' | 'now' | 'log'>;

/** Steps that one call takes at most: more than an offboarding has. */
const maxSteps = 8;

/** Takes every step that can be taken now. Thrown: what KMS, the database or the audit log threw; the step is taken again later. */
export async function advanceOffboarding(deps: OffboardingDeps, tenantId: string): Promise<void> {
  for (let step = 1; step <= maxSteps; step += 1) {
    const moved = await deps.database.inTenant(tenantId, async (tx) => {
      const { deletionWindowDays } = await lockTenant(tx, tenantId);
      const offboarding = await latestOffboarding(tx, tenantId);
      switch (offboarding?.state) {
        case 'approved':
          return scheduleDeletion(deps, tx, offboarding, deletionWindowDays);
        case 'scheduled':
          return beginPurge(deps, tx, offboarding);
        case 'purging':
          return finish(deps, tx, offboarding);
        default:
          return false;
      }
    });
    if (!moved) return;
  }
}

/** Disables the tenant's keys and has KMS delete them when the window has passed. */
async function scheduleDeletion(
  deps: OffboardingDeps,
  tx: EntityManager,
  offboarding: Offboarding,
  windowDays: number,
): Promise<boolean> {
  const { tenantId } = offboarding;
  const dates: Date[] = [];
  for (const { keyId } of await kmsKeysOf(tx, tenantId)) {
    await deps.kms.disableKey(keyId);
    dates.push((await deps.kms.scheduleDeletion({ keyId, windowDays })).deletionAt);
  }
  const deletionAt = latest(dates);
  await changeOffboarding(tx, offboarding, { state: 'scheduled', deletionAt });
  await record(deps, offboarding, 'offboarding.schedule', { keys: String(dates.length) });
  return true;
}

/** When KMS has deleted the keys, the services are told to remove what nobody can open any more. */
async function beginPurge(deps: OffboardingDeps, tx: EntityManager, offboarding: Offboarding): Promise<boolean> {
  const { tenantId, offboardingId, deletionAt } = offboarding;
  const now = deps.now();
  if (deletionAt === undefined || now < deletionAt) return false;
  for (const { keyId } of await kmsKeysOf(tx, tenantId)) {
    const key = await deps.kms.describeKey(keyId);
    if (key.state === 'deleted') continue;
    // KMS takes its time after the date (AWS: up to a day), and until it has deleted the key somebody could still revive it.
    if (key.state === 'pending-deletion') return false;
    // A cancellation reached KMS and died before it was recorded, or somebody acted in KMS itself: the window begins anew.
    deps.log.warn({ tenantId, keyState: key.state }, 'the key of an offboarded tenant is not deleted: scheduled again');
    await changeOffboarding(tx, offboarding, { state: 'approved', deletionAt: null });
    return true;
  }
  const work = { workId: offboardingId, tenantId, kind: 'purge', keyVersion: 0, settledAt: undefined } as const;
  await addWork(tx, { ...work, holders: purgeHolders }, now);
  await changeOffboarding(tx, offboarding, { state: 'purging' });
  await record(deps, offboarding, 'offboarding.purge', {});
  return true;
}

/** When all is removed: the certificate, then the wrapped keys, then the end. */
async function finish(deps: OffboardingDeps, tx: EntityManager, offboarding: Offboarding): Promise<boolean> {
  const { tenantId } = offboarding;
  const progress = await progressOf(tx, { tenantId, workId: offboarding.offboardingId, kind: 'purge' });
  if (!isDoneBy(progress, purgeHolders)) return false;
  // Each of these is committed before the next: a repetition says the same in the audit log, to the millisecond.
  if (offboarding.removedAt === undefined) {
    await changeOffboarding(tx, offboarding, { removedAt: deps.now() });
    return true;
  }
  if (offboarding.certificate === undefined) {
    const keys: CertifiedKey[] = [];
    for (const { keyId, versions } of await kmsKeysOf(tx, tenantId)) {
      const { state } = await deps.kms.describeKey(keyId);
      keys.push({ keyId, firstVersion: Math.min(...versions), versions: versions.length, state });
    }
    const certificate = await certify(deps, offboarding, { keys, progress, at: offboarding.removedAt });
    await changeOffboarding(tx, offboarding, { certificate });
    return true;
  }
  await publishCertificate(deps, offboarding, { certificate: offboarding.certificate, at: offboarding.removedAt });
  await removeDataKeys(tx, tenantId);
  await changeOffboarding(tx, offboarding, { state: 'completed', endedAt: deps.now() });
  await setState(tx, tenantId, 'offboarded');
  return false;
}

async function record(
  deps: Pick<OffboardingDeps, 'auditor'>,
  { tenantId, offboardingId }: Offboarding,
  action: `${string}.${string}`,
  attributes: Readonly<Record<string, string>>,
): Promise<void> {
  const call = { principal: systemPrincipal('tenant-key', tenantId), requestId: offboardingId };
  const event = { action, resourceType: 'offboarding', resourceIds: [offboardingId], outcome: 'success' } as const;
  await deps.auditor.record(call, { ...event, attributes });
}

function latest(dates: readonly Date[]): Date {
  return new Date(Math.max(...dates.map((date) => date.getTime())));
}
