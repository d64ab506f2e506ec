/** What tests of rotations and offboardings ask of a running platform: rows by key version, a copy of a tenant, its return. */
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { keyVersionOfStream } from '@wardstone/crypto';
import pg from 'pg';
import type { Stack } from './stack.ts';

/** Programs that notice a rotation at once and keep keys for seconds, so that a test need not wait for minutes. */
export const quickKeys = {
  'tenant-key': {
    WARDSTONE_KEY_MAX_AGE_MS: '2000',
    WARDSTONE_KEY_SETTLE_MARGIN_MS: '1000',
    WARDSTONE_ROTATION_MIN_INTERVAL_MS: '1',
    WARDSTONE_LIFECYCLE_INTERVAL_MS: '250',
  },
  ingestion: { WARDSTONE_TENANT_WORK_INTERVAL_MS: '250' },
  llm: { WARDSTONE_TENANT_WORK_INTERVAL_MS: '250' },
  retrieval: {
    WARDSTONE_TENANT_WORK_INTERVAL_MS: '250',
    WARDSTONE_MERGE_INTERVAL_MS: '250',
    WARDSTONE_MERGE_MAX_AGE_MS: '500',
  },
} as const;

/** Schemas whose rows are sealed under tenants' keys, and with which they go. */
const sealedSchemas = ['ingestion', 'retrieval', 'llm'];
/** What of the keys is in the database: the tenant as it was, and its wrapped data keys. */
const keyTables = ['tenant_key.tenant', 'tenant_key.data_key'];

/** A tenant's rows of a table, as JSON texts that Postgres makes and takes. */
export interface TableCopy {
  readonly table: string;
  readonly rows: readonly string[];
}

async function connected<T>(stack: Stack, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: stack.platform.adminDatabaseUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Every table of the sealed schemas that has a tenant, with its columns of key versions. */
async function tenantTables(client: pg.Client): Promise<{ table: string; versions: string[] }[]> {
  const { rows } = await client.query<{ name: string; columns: string[] }>(
    `select format('%I.%I', table_schema, table_name) as name, array_agg(column_name::text) as columns
     from information_schema.columns where table_schema = any ($1)
     group by table_schema, table_name having bool_or(column_name = 'tenant_id') order by 1`,
    [sealedSchemas],
  );
  return rows.map(({ name, columns }) => ({
    table: name,
    versions: columns.filter((column) => /(^|_)key_version$/.test(column)),
  }));
}

/** How many rows of the tenant stand under each key version, by table and column. */
export function rowsByKeyVersion(stack: Stack, tenantId: string): Promise<Record<string, Record<string, number>>> {
  return connected(stack, async (client) => {
    const found: Record<string, Record<string, number>> = {};
    for (const { table, versions } of await tenantTables(client)) {
      for (const column of versions) {
        const { rows } = await client.query<{ version: number; count: string }>(
          `select ${column} as version, count(*) from ${table} where tenant_id = $1 group by 1`,
          [tenantId],
        );
        const counts = rows.map(({ version, count }) => [String(version), Number(count)] as const);
        if (counts.length > 0) found[`${table}.${column}`] = Object.fromEntries(counts);
      }
    }
    return found;
  });
}

/** The key version of every sealed object of the tenant, by path. */
export async function objectKeyVersions(stack: Stack, tenantId: string): Promise<Record<string, number>> {
  const dir = tenantObjects(stack, tenantId);
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const versions = await Promise.all(
    files.map(async (file) => [path.relative(dir, file), keyVersionOfStream(await readFile(file))] as const),
  );
  return Object.fromEntries(versions);
}

function tenantObjects(stack: Stack, tenantId: string): string {
  return path.join(stack.platform.layout.objectsDir, 'objects/tenants', tenantId);
}

/** A tenant's rows and objects as a backup has them. */
export interface TenantCopy {
  readonly tables: readonly TableCopy[];
  readonly objectsDir: string;
}

/** Copies a tenant's rows in the sealed schemas, its state and wrapped keys, and its objects into `objectsDir`. */
export async function copyTenant(stack: Stack, tenantId: string, objectsDir: string): Promise<TenantCopy> {
  await rm(objectsDir, { recursive: true, force: true });
  await cp(tenantObjects(stack, tenantId), objectsDir, { recursive: true });
  const tables = await connected(stack, async (client) => {
    const copies: TableCopy[] = [];
    for (const table of [...(await tenantTables(client)).map((found) => found.table), ...keyTables]) {
      const { rows } = await client.query<{ row: string }>(
        `select to_jsonb(t)::text as row from ${table} t where tenant_id = $1`,
        [tenantId],
      );
      copies.push({ table, rows: rows.map(({ row }) => row) });
    }
    return copies;
  });
  return { tables, objectsDir };
}

/** Puts a copy back as a thief or a restored backup does: by the superuser, past constraints and triggers. */
export async function restoreTenant(stack: Stack, tenantId: string, copy: TenantCopy): Promise<void> {
  await cp(copy.objectsDir, tenantObjects(stack, tenantId), { recursive: true });
  await connected(stack, async (client) => {
    await client.query('set session_replication_role = replica');
    for (const { table, rows } of copy.tables) {
      await client.query(`delete from ${table} where tenant_id = $1`, [tenantId]);
      for (const row of rows) {
        await client.query(
          `insert into ${table} overriding system value select * from jsonb_populate_record(null::${table}, $1::jsonb)`,
          [row],
        );
      }
    }
  });
}

/** How many rows a tenant has in each table of the sealed schemas; tables without any are left out. */
export function rowsOf(stack: Stack, tenantId: string): Promise<Record<string, number>> {
  return connected(stack, async (client) => {
    const counts: Record<string, number> = {};
    for (const { table } of await tenantTables(client)) {
      const { rows } = await client.query<{ count: string }>(`select count(*) from ${table} where tenant_id = $1`, [
        tenantId,
      ]);
      const count = Number(rows[0]?.count ?? 0);
      if (count > 0) counts[table] = count;
    }
    return counts;
  });
}

/**
 * Lets the deletion window of an offboarding pass: KMS has deleted the tenant's key, and the date stands in the past. Nobody
 * can wait for seven days, and a clock that runs ahead would make every token invalid.
 */
export async function passDeletionWindow(stack: Stack, tenantId: string): Promise<void> {
  const keys = path.join(stack.platform.layout.kmsDir, 'keys');
  for (const name of await readdir(keys)) if (name.startsWith(tenantId)) await rm(path.join(keys, name));
  await connected(stack, (client) =>
    client.query(`update tenant_key.offboarding set deletion_at = now() where tenant_id = $1`, [tenantId]),
  );
}
