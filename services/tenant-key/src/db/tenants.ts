/** What is done to a tenant's row and its data keys beyond making them, each in the caller's transaction. */
import { IsNull, LessThan, type EntityManager } from 'typeorm';
import type { KeyPurpose } from '@wardstone/crypto';
import { AppError } from '@wardstone/rpc';
import type { TenantState } from '../domain/tenant.ts';
import type { WrappedDataKey } from '../ports.ts';
import { dataKeyEntity, tenantEntity, type TenantRow } from './entities.ts';

/** The tenant's row, which nobody else changes until the transaction ends. Thrown: TENANT_NOT_FOUND. */
export async function lockTenant(tx: EntityManager, tenantId: string): Promise<TenantRow> {
  const row = await tx.findOne(tenantEntity, { where: { tenantId }, lock: { mode: 'pessimistic_write' } });
  if (row === null) throw new AppError('TENANT_NOT_FOUND');
  return row;
}

/** Sets the tenant's state; a trigger announces it. */
export async function setState(tx: EntityManager, tenantId: string, state: TenantState): Promise<void> {
  await tx.update(tenantEntity, { tenantId }, { state, revision: () => 'revision + 1' });
}

/** Adds a version of the data key, which new writes use from the commit on. */
export async function addDataKey(tx: EntityManager, tenantId: string, key: WrappedDataKey, now: Date): Promise<void> {
  const { version, kmsKeyId, wrapped } = key;
  const row = { tenantId, version, kmsKeyId, wrapped: Buffer.from(wrapped), createdAt: now };
  await tx.insert(dataKeyEntity, row);
  await tx.update(tenantEntity, { tenantId }, { keyVersion: version, revision: () => 'revision + 1' });
}

/** Ends the use of all versions below one. Answers how many there were. */
export async function retireDataKeys(tx: EntityManager, tenantId: string, below: number, now: Date): Promise<number> {
  const older = { tenantId, version: LessThan(below), retiredAt: IsNull() };
  return (await tx.update(dataKeyEntity, older, { retiredAt: now })).affected ?? 0;
}

/** KMS keys of the tenant, and the versions that are wrapped under each. */
export async function kmsKeysOf(tx: EntityManager, tenantId: string): Promise<{ keyId: string; versions: number[] }[]> {
  const rows = await tx.find(dataKeyEntity, { where: { tenantId }, order: { version: 'ASC' } });
  const keys = new Map<string, number[]>();
  for (const { kmsKeyId, version } of rows) keys.set(kmsKeyId, [...(keys.get(kmsKeyId) ?? []), version]);
  return [...keys].map(([keyId, versions]) => ({ keyId, versions }));
}

/** Removes the wrapped keys: what is left in KMS unwraps nothing any more. */
export async function removeDataKeys(tx: EntityManager, tenantId: string): Promise<void> {
  for (const table of ['key_use', 'key_lease']) {
    await tx.query(`delete from ${table} where tenant_id = $1`, [tenantId]);
  }
  await tx.delete(dataKeyEntity, { tenantId });
}

/** A lease: to whom, how many uses, and how many of earlier ones come back. */
export interface Lease {
  /** Service that gets it. */
  readonly peer: string;
  readonly purpose: KeyPurpose;
  readonly version: number;
  readonly uses: number;
  readonly unused: number;
}

/**
 * Counts a lease. A service gives back no more than it was given of this version and purpose: what it says of its own uses is
 * believed, of others' it has nothing to say. Answers the uses that are out with it.
 */
export async function countLease(tx: EntityManager, tenantId: string, lease: Lease): Promise<number> {
  const { purpose, version, uses } = lease;
  const returned = await exchangeLease(tx, tenantId, lease);
  const [row] = await tx.query<{ uses_out: string }[]>(
    `insert into key_use (tenant_id, purpose, version, uses_out) values ($1, $2, $3, $4)
     on conflict (tenant_id, purpose, version)
       do update set uses_out = greatest(key_use.uses_out - $5, 0) + excluded.uses_out
     returning uses_out`,
    [tenantId, purpose, version, uses, returned],
  );
  return Number(row?.uses_out ?? 0);
}

/** Writes down what the service has now. Answers how many uses it gave back. */
async function exchangeLease(tx: EntityManager, tenantId: string, lease: Lease): Promise<number> {
  const { peer, purpose, version, uses, unused } = lease;
  const key = [tenantId, purpose, version, peer];
  await tx.query(
    'insert into key_lease (tenant_id, purpose, version, peer, uses_out) values ($1, $2, $3, $4, 0) on conflict do nothing',
    key,
  );
  const ofPeer = 'tenant_id = $1 and purpose = $2 and version = $3 and peer = $4';
  const [row] = await tx.query<{ uses_out: string }[]>(
    `select uses_out from key_lease where ${ofPeer} for update`,
    key,
  );
  const returned = Math.min(unused, Number(row?.uses_out ?? 0));
  await tx.query(`update key_lease set uses_out = uses_out + $5 where ${ofPeer}`, [...key, uses - returned]);
  return returned;
}

/** Tenants that are not active, by id; in a transaction of the platform. */
export async function closedTenants(
  tx: EntityManager,
  page: { readonly after: string | undefined; readonly limit: number },
): Promise<Pick<TenantRow, 'tenantId' | 'state' | 'keyVersion'>[]> {
  const query = tx
    .createQueryBuilder(tenantEntity, 't')
    .select(['t.tenantId', 't.state', 't.keyVersion'])
    .where(`t.state <> 'active'`)
    .orderBy('t.tenantId')
    .limit(page.limit);
  if (page.after !== undefined) query.andWhere('t.tenantId > :after', { after: page.after });
  return query.getMany();
}
