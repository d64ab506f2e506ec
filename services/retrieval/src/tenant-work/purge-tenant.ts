/** The end of a tenant's index. */
import { removeTenantRows } from '@wardstone/db';
import type { EntityManager } from 'typeorm';
import { holdMerger } from '../db/keyword-merge.ts';
import { holdIndexer } from '../db/vector-index-build.ts';
import type { Deps } from '../ports.ts';

/** In the order in which rows go: what refers before what is referred to, so that no deletion carries others with it. */
const tables = [
  'chunk_bits',
  'chunk_vector',
  'chunk',
  'document_filter',
  'keyword_document',
  'keyword_segment',
  'keyword_dead',
  'keyword_total',
  'vector_list',
  'vector_index',
  'indexed_document',
  'removed_document',
  'tenant_model',
] as const;

/** Rows of one statement at most; vectors make it about 10 MB. */
const batchRows = 4_000;

/** What one call removed. */
export interface Purged {
  /** Rows of each table. */
  readonly rows: Readonly<Record<(typeof tables)[number], number>>;
  /** Whether nothing of the tenant is left. */
  readonly isEmpty: boolean;
}

/**
 * Removes a tenant's rows, in transactions of at most 4,000, for about `maxMs`. Searches meanwhile find less and less; the caller
 * has refused the tenant's reads and writes before, and made sure that no stage runs for it: what is written afterwards
 * stays. A call that was cut off is made again, and removes the rest. Thrown: DATABASE_UNAVAILABLE, CANCELLED.
 */
export async function purgeTenant(
  { database }: Pick<Deps, 'database'>,
  { tenantId, signal, maxMs }: { readonly tenantId: string; readonly signal?: AbortSignal; readonly maxMs: number },
): Promise<Purged> {
  const until = performance.now() + maxMs;
  const rows = Object.fromEntries(tables.map((table) => [table, 0])) as Record<(typeof tables)[number], number>;
  for (const table of tables) {
    for (;;) {
      signal?.throwIfAborted();
      const removed = await database.inTenant(tenantId, (tx) => removeBatch(tx, table, tenantId));
      rows[table] += removed;
      if (removed < batchRows) break;
      if (performance.now() > until) return { rows, isEmpty: false };
    }
  }
  return { rows, isEmpty: true };
}

async function removeBatch(tx: EntityManager, table: (typeof tables)[number], tenantId: string): Promise<number> {
  // A merger at work would put segments back that were just removed, and an indexer lists.
  await holdMerger(tx, tenantId);
  await holdIndexer(tx, tenantId);
  return removeTenantRows(tx, table, tenantId, batchRows);
}
