/** The work that services have with tenants' data: handed out across tenants, reported within one. */
import type { EntityManager } from 'typeorm';
import type { OpenWork, WorkKind, WorkProgress, WorkReport } from '../domain/work.ts';
import { tenantWorkEntity, type TenantWorkRow } from './lifecycle-entities.ts';

/** Work for every holder. */
export interface NewWork {
  readonly workId: string;
  readonly tenantId: string;
  readonly kind: WorkKind;
  readonly holders: readonly string[];
  readonly keyVersion: number;
  readonly settledAt: Date | undefined;
}

/** Makes the work; what is there already stays as it is. */
export async function addWork(tx: EntityManager, work: NewWork, now: Date): Promise<void> {
  const { holders, settledAt, ...rest } = work;
  const rows = holders.map((holder) => ({ ...rest, holder, settledAt: settledAt ?? null, createdAt: now }));
  await tx.createQueryBuilder().insert().into(tenantWorkEntity).values(rows).orIgnore().updateEntity(false).execute();
}

/**
 * What a holder may do now, of every tenant: what was never begun, then what was begun longest ago; in a transaction of the
 * platform.
 */
export async function openWork(
  tx: EntityManager,
  { holder, now, limit }: { readonly holder: string; readonly now: Date; readonly limit: number },
): Promise<OpenWork[]> {
  const rows = await tx.query<
    { work_id: string; tenant_id: string; is_purge: number; key_version: number; settled_at: Date | null }[]
  >('select work_id, tenant_id, is_purge, key_version, settled_at from open_work($1, $2, $3)', [holder, now, limit]);
  return rows.map((row) => ({
    workId: row.work_id,
    tenantId: row.tenant_id,
    kind: row.is_purge === 1 ? 'purge' : 'reseal',
    keyVersion: row.key_version,
    settledAt: row.settled_at ?? undefined,
  }));
}

/** A piece of one holder's work. Without a kind the one that is open is meant. */
export type HeldWork = Pick<WorkReport, 'workId' | 'holder' | 'kind'>;

/** Puts a piece at the end of the line. False when the tenant has no such work for the holder. */
export async function markBegun(tx: EntityManager, tenantId: string, piece: HeldWork, now: Date): Promise<boolean> {
  const row = await lockPiece(tx, tenantId, piece);
  if (row === undefined) return false;
  const { workId, holder, kind } = row;
  await tx.update(tenantWorkEntity, { tenantId, workId, holder, kind }, { begunAt: now });
  return true;
}

/** Keeps a report. False when the tenant has no such work for the holder. A report of finished work changes nothing. */
export async function keepReport(tx: EntityManager, tenantId: string, report: WorkReport): Promise<boolean> {
  const { workId, holder, documentsDone, documentsLeft, removed } = report;
  const row = await lockPiece(tx, tenantId, report);
  if (row === undefined) return false;
  if (row.done) return true;
  await tx.update(
    tenantWorkEntity,
    { tenantId, workId, holder, kind: row.kind },
    {
      documentsDone: row.documentsDone + documentsDone,
      documentsLeft,
      removed: sum(row.removed, removed),
      done: documentsLeft === 0,
    },
  );
  return true;
}

/** A rotation and an offboarding may have one id. */
async function lockPiece(
  tx: EntityManager,
  tenantId: string,
  { workId, holder, kind }: HeldWork,
): Promise<TenantWorkRow | undefined> {
  const [row] = await tx.find(tenantWorkEntity, {
    where: { tenantId, workId, holder, ...(kind === undefined ? {} : { kind }) },
    order: { done: 'ASC', kind: 'ASC' },
    lock: { mode: 'pessimistic_write' },
  });
  return row;
}

/** A piece of work of all its holders. Ids of rotations and offboardings are their callers' choice: the kind tells them apart. */
export interface WorkKey {
  readonly tenantId: string;
  readonly workId: string;
  readonly kind: WorkKind;
}

/** How far each holder is, by name. */
export async function progressOf(tx: EntityManager, { tenantId, workId, kind }: WorkKey): Promise<WorkProgress[]> {
  return tx.find(tenantWorkEntity, { where: { tenantId, workId, kind }, order: { holder: 'ASC' } });
}

/**
 * Tenants for which a step of a rotation or an offboarding may be due, or whose key waits for its deletion and was last looked
 * at before a time; in a transaction of the platform.
 */
export async function tenantsDue(
  tx: EntityManager,
  { now, checkedBefore, limit }: { readonly now: Date; readonly checkedBefore: Date; readonly limit: number },
): Promise<string[]> {
  const rows = await tx.query<{ tenant_id: string }[]>('select tenant_id from lifecycle_due($1, $2, $3)', [
    now,
    checkedBefore,
    limit,
  ]);
  return rows.map((row) => row.tenant_id);
}

function sum(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): Record<string, number> {
  const total: Record<string, number> = { ...one };
  for (const [kind, count] of Object.entries(other)) total[kind] = (total[kind] ?? 0) + count;
  return total;
}
