import { isUniqueViolation, type Database } from '@wardstone/db';
import { dataKeyEntity, tenantEntity, type TenantRow } from '../db/entities.ts';
import type { Tenant } from '../domain/tenant.ts';
import type { NewTenant, TenantPosition, TenantStore } from '../ports.ts';

/** Tenants in Postgres. Each is read and written in its own transaction's tenant; only the list is the platform's. */
export function createPostgresTenants(database: Pick<Database, 'inTenant' | 'inPlatform'>): TenantStore {
  return {
    find: (tenantId) =>
      database.inTenant(tenantId, async (tx) => {
        const row = await tx.findOneBy(tenantEntity, { tenantId });
        return row === null ? undefined : toTenant(row);
      }),
    insert: (tenant, beforeCommit) => insert(database, tenant, beforeCommit),
    list: (limit, after) => list(database, limit, after),
    findDataKey: (tenantId, version) =>
      database.inTenant(tenantId, async (tx) => {
        const row = await tx.findOneBy(dataKeyEntity, { tenantId, version });
        if (row === null) return undefined;
        return { version, kmsKeyId: row.kmsKeyId, wrapped: row.wrapped, retired: row.retiredAt !== null };
      }),
  };
}

async function insert(
  database: Pick<Database, 'inTenant'>,
  { tenantId, displayName, settings, dataKey }: NewTenant,
  beforeCommit: () => Promise<void>,
): Promise<Tenant | undefined> {
  const createdAt = new Date();
  const { version: keyVersion, kmsKeyId, wrapped } = dataKey;
  const row: TenantRow = { tenantId, displayName, ...settings, state: 'active', keyVersion, revision: 1, createdAt };
  try {
    await database.inTenant(tenantId, async (tx) => {
      await tx.insert(tenantEntity, row);
      await tx.insert(dataKeyEntity, {
        tenantId,
        version: keyVersion,
        kmsKeyId,
        wrapped: Buffer.from(wrapped),
        createdAt,
      });
      await beforeCommit();
    });
  } catch (error) {
    if (isUniqueViolation(error)) return undefined;
    throw error;
  }
  return toTenant(row);
}

function list(database: Pick<Database, 'inPlatform'>, limit: number, after?: TenantPosition): Promise<Tenant[]> {
  return database.inPlatform(async (tx) => {
    const query = tx
      .createQueryBuilder(tenantEntity, 't')
      .orderBy('t.createdAt', 'DESC')
      .addOrderBy('t.tenantId', 'DESC')
      .limit(limit);
    if (after !== undefined) {
      const at = new Date(after.createdAtMs);
      query.where('(t.createdAt, t.tenantId) < (:at::timestamptz, :id::uuid)', { at, id: after.tenantId });
    }
    return (await query.getMany()).map(toTenant);
  });
}

/** A row as the domain sees it. */
export function toTenant(row: TenantRow): Tenant {
  const { tenantId, displayName, state, keyVersion, revision, createdAt } = row;
  const { chunkSizeChars, chunkOverlapChars, deletionWindowDays } = row;
  const settings = { chunkSizeChars, chunkOverlapChars, deletionWindowDays };
  return { tenantId, displayName, state, settings, keyVersion, revision, createdAt };
}
