/**
 * An approved offboarding, step by step: approved → scheduled → purging → completed, or cancelling → cancelled. Each step may
 * be repeated, and is taken under the lock of the tenant's row, so that a cancellation comes before it or after it, never in
 * between.
 */
import { systemPrincipal } from '@wardstone/access';
import type { Reason } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import { changeOffboarding, latestOffboarding } from '../db/offboardings.ts';
import { kmsKeysOf, lockTenant, removeDataKeys, setState } from '../db/tenants.ts';
import { addWork, progressOf } from '../db/work.ts';
import { purgeHolders, type Offboarding } from '../domain/offboarding.ts';
import { isDoneBy, missingHolders } from '../domain/work.ts';
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
          return watchKeys(deps, tx, offboarding);
        case 'cancelling':
          return takeBack(deps, tx, offboarding);
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
  await changeOffboarding(tx, offboarding, { state: 'scheduled', deletionAt, keyCheckedAt: deps.now() });
  await record(deps, offboarding, 'offboarding.schedule', { keys: String(dates.length) });
  return true;
}

/**
 * Until KMS has deleted the keys nobody may use them. Whoever enabled one did so in KMS itself: what is cancelled here is not
 * `scheduled` any more. Such a key is disabled, and its window begins anew.
 */
async function watchKeys(deps: OffboardingDeps, tx: EntityManager, offboarding: Offboarding): Promise<boolean> {
  const { tenantId, deletionAt } = offboarding;
  const states = await Promise.all(
    (await kmsKeysOf(tx, tenantId)).map(async ({ keyId }) => (await deps.kms.describeKey(keyId)).state),
  );
  const alive = states.find((state) => state !== 'deleted' && state !== 'pending-deletion');
  if (alive !== undefined) {
    deps.log.warn(
      { tenantId, keyState: alive },
      'the key of an offboarded tenant is not scheduled any more: it is again',
    );
    await changeOffboarding(tx, offboarding, { state: 'approved', deletionAt: null });
    return true;
  }
  const now = deps.now();
  await changeOffboarding(tx, offboarding, { keyCheckedAt: now });
  // KMS takes its time after the date (AWS: up to a day), and until it has deleted the key somebody could still revive it.
  if (deletionAt === undefined || now < deletionAt || states.includes('pending-deletion')) return false;
  return beginPurge(deps, tx, offboarding);
}

/** The keys are gone: the services are told to remove what nobody can open any more. */
async function beginPurge(deps: OffboardingDeps, tx: EntityManager, offboarding: Offboarding): Promise<boolean> {
  await addPurge(deps, tx, offboarding, purgeHolders);
  await changeOffboarding(tx, offboarding, { state: 'purging' });
  await record(deps, offboarding, 'offboarding.purge', {});
  return true;
}

/**
 * Enables the keys, then opens the tenant. A crash in between leaves the tenant closed, and this is done again. A key that was
 * deleted before KMS heard of it is not to be had back: the offboarding goes on.
 */
async function takeBack(deps: OffboardingDeps, tx: EntityManager, offboarding: Offboarding): Promise<boolean> {
  const { tenantId, deletionAt, stateBefore = 'active' } = offboarding;
  const keys = await kmsKeysOf(tx, tenantId);
  for (const { keyId } of keys) {
    if ((await deps.kms.describeKey(keyId)).state === 'deleted') {
      deps.log.error({ tenantId }, 'an offboarding was cancelled when its key was deleted already: it goes on');
      const now = deps.now();
      await changeOffboarding(tx, offboarding, {
        state: 'scheduled',
        deletionAt: deletionAt ?? now,
        keyCheckedAt: now,
      });
      await record(deps, offboarding, 'offboarding.restore', { keys: String(keys.length) }, 'KEY_UNAVAILABLE');
      return true;
    }
    await deps.kms.cancelDeletion(keyId);
    await deps.kms.enableKey(keyId);
  }
  await changeOffboarding(tx, offboarding, { state: 'cancelled', endedAt: deps.now() });
  await setState(tx, tenantId, stateBefore);
  await record(deps, offboarding, 'offboarding.restore', { keys: String(keys.length) });
  return true;
}

async function addPurge(
  deps: Pick<OffboardingDeps, 'now'>,
  tx: EntityManager,
  { tenantId, offboardingId }: Offboarding,
  holders: readonly string[],
): Promise<void> {
  if (holders.length === 0) return;
  const work = { workId: offboardingId, tenantId, kind: 'purge', keyVersion: 0, settledAt: undefined } as const;
  await addWork(tx, { ...work, holders }, deps.now());
}

/** When all is removed: the certificate, then the wrapped keys, then the end. */
async function finish(deps: OffboardingDeps, tx: EntityManager, offboarding: Offboarding): Promise<boolean> {
  const { tenantId, offboardingId } = offboarding;
  const progress = await progressOf(tx, { tenantId, workId: offboardingId, kind: 'purge' });
  // A service that came to hold data after the purge was begun.
  await addPurge(deps, tx, offboarding, missingHolders(progress, purgeHolders));
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
  failure?: Reason,
): Promise<void> {
  const call = { principal: systemPrincipal('tenant-key', tenantId), requestId: offboardingId };
  const event = { action, resourceType: 'offboarding', resourceIds: [offboardingId], attributes } as const;
  const outcome =
    failure === undefined ? ({ outcome: 'success' } as const) : ({ outcome: 'failure', reason: failure } as const);
  await deps.auditor.record(call, { ...event, ...outcome });
}

function latest(dates: readonly Date[]): Date {
  return new Date(Math.max(...dates.map((date) => date.getTime())));
}
