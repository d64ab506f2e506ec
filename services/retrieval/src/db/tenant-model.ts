/** Which embedding model a tenant's searches use, and which they will use: one row of each tenant, read and changed here alone. */
import { nilUuid } from '@wardstone/db';
import type { EntityManager } from 'typeorm';

/** Models of a tenant, by their ids. */
export interface TenantModel {
  /** Searches look at vectors of this one alone. */
  readonly modelId: string;
  /** The one that is to take its place, while vectors of it are made. */
  readonly nextModelId: string | undefined;
  /** Whether there is nothing to do: every chunk has a vector of the model, and there is none of any other. */
  readonly isSettled: boolean;
  /** How long the two have been as they are. */
  readonly unchangedMs: number;
}

interface ModelRow {
  readonly model_id: string;
  readonly next_model_id: string | null;
  readonly settled: boolean;
  readonly unchanged_ms: number;
}

const select = `
  select model_id, next_model_id, settled, (extract(epoch from clock_timestamp() - changed_at) * 1000)::float8 as unchanged_ms
  from tenant_model where tenant_id = $1`;

/** Undefined before the tenant's first document. */
export async function readTenantModel(tx: EntityManager, tenantId: string): Promise<TenantModel | undefined> {
  return modelOf(await tx.query<ModelRow[]>(select, [tenantId]));
}

/** The same, and nobody changes it before the transaction ends: held for a moment, at the end of a transaction. */
export async function lockTenantModel(tx: EntityManager, tenantId: string): Promise<TenantModel | undefined> {
  return modelOf(await tx.query<ModelRow[]>(`${select} for update`, [tenantId]));
}

/** The same; a tenant that has none gets this one. */
export async function lockOrBeginTenantModel(
  tx: EntityManager,
  tenantId: string,
  modelId: string,
): Promise<TenantModel> {
  const found = await lockTenantModel(tx, tenantId);
  if (found !== undefined) return found;
  const insert = 'insert into tenant_model (tenant_id, model_id) values ($1, $2) on conflict do nothing';
  await tx.query(insert, [tenantId, modelId]);
  const model = await lockTenantModel(tx, tenantId);
  if (model === undefined) throw new Error('the row of a tenant’s model is gone');
  return model;
}

function modelOf([row]: readonly ModelRow[]): TenantModel | undefined {
  if (row === undefined) return undefined;
  return {
    modelId: row.model_id,
    nextModelId: row.next_model_id ?? undefined,
    isSettled: row.settled,
    unchangedMs: row.unchanged_ms,
  };
}

/** The models that every chunk is to have a vector of. */
export function wantedModels({ modelId, nextModelId }: Pick<TenantModel, 'modelId' | 'nextModelId'>): string[] {
  return nextModelId === undefined ? [modelId] : [modelId, nextModelId];
}

/** Says that there may be something to do. */
export async function unsettle(tx: EntityManager, tenantId: string): Promise<void> {
  await tx.query('update tenant_model set settled = false where tenant_id = $1 and settled', [tenantId]);
}

/** Says that there is nothing to do. The caller has locked the row, and looked. */
export async function settle(tx: EntityManager, tenantId: string): Promise<void> {
  await tx.query('update tenant_model set settled = true where tenant_id = $1', [tenantId]);
}

/** Makes `currentModelId` what the tenant changes to; when it is the one that searches use already, nothing is changed to. */
export async function followModel(tx: EntityManager, tenantId: string, currentModelId: string): Promise<void> {
  await tx.query(
    `update tenant_model set next_model_id = nullif($2, model_id), settled = false, changed_at = now()
     where tenant_id = $1 and coalesce(next_model_id, model_id) <> $2`,
    [tenantId, currentModelId],
  );
}

/** Searches use the next model from the commit on. The caller has locked the row, and made sure that no chunk is without its vector. */
export async function switchModel(tx: EntityManager, tenantId: string): Promise<void> {
  await tx.query(
    `update tenant_model set model_id = next_model_id, next_model_id = null, changed_at = now()
     where tenant_id = $1 and next_model_id is not null`,
    [tenantId],
  );
}

/** Tenants that neither use this model nor change to it, in the order of their ids, after one. Across tenants: ids only. */
export async function tenantsOfOtherModel(
  tx: EntityManager,
  currentModelId: string,
  page: { readonly after: string; readonly maxTenants: number },
): Promise<string[]> {
  const sql = 'select tenant_id from tenants_of_other_model($1, $2, $3)';
  const rows = await tx.query<{ tenant_id: string }[]>(sql, [currentModelId, page.after, page.maxTenants]);
  return rows.map((row) => row.tenant_id);
}

const tenantsPerPage = 1_000;

/** Every tenant that is not settled, in the order of their ids. Across tenants: ids only. */
export async function tenantsToEmbed(tx: EntityManager): Promise<string[]> {
  const tenants: string[] = [];
  for (let after: string = nilUuid; ;) {
    const sql = 'select tenant_id from tenants_to_embed($1, $2)';
    const rows = await tx.query<{ tenant_id: string }[]>(sql, [after, tenantsPerPage]);
    tenants.push(...rows.map((row) => row.tenant_id));
    if (rows.length < tenantsPerPage) return tenants;
    after = rows.at(-1)?.tenant_id ?? after;
  }
}
