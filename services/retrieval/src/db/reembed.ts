/** What re-embedding reads and removes, in its transaction. */
import type { EntityManager } from 'typeorm';
import type { ChunkKey } from '../domain/chunk.ts';
import { unindexedModelSql } from './unindexed-model.ts';

/** Chunks that one page looks at for those without a vector. */
const lookedAt = 1_024;

/**
 * Looks rows up by their keys for the rest of the transaction. To find a few of a tenant's rows the planner would rather read all of
 * them, vectors too, and would do so again for each page.
 */
async function planByKeys(tx: EntityManager): Promise<void> {
  await tx.query(
    `select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
            set_config('enable_mergejoin', 'off', true)`,
  );
}

/** A chunk without a vector of the model, with what it is made from, sealed. */
export interface LackingChunk extends ChunkKey {
  readonly passageSealed: string;
  readonly titleSealed: string;
}

export interface LackingPage {
  /** In order; at most as many as were asked for. */
  readonly chunks: readonly LackingChunk[];
  /** Where the next page begins; undefined when there is none. */
  readonly after: ChunkKey | undefined;
}

interface LackingRow {
  readonly document_id: string;
  readonly version: number;
  readonly ordinal: number;
  readonly passage_sealed: string | null;
  readonly title_sealed: string | null;
}

// The page is cut out by the key before anything is compared, so that it costs the same wherever it lies. Its last row tells where
// it ends, lacking or not.
const lackingSql = `
  with looked as materialized (
    select document_id, version, ordinal, row_number() over (order by document_id, version, ordinal) as place
    from chunk where tenant_id = $1 and (document_id, version, ordinal) > ($2, $3, $4)
    order by document_id, version, ordinal limit $5
  ), lacking as materialized (
    select l.*, d.title_sealed
    from looked l join indexed_document d on d.tenant_id = $1 and d.document_id = l.document_id and d.version = l.version
    where not exists (
      select from chunk_vector v where v.tenant_id = $1 and v.document_id = l.document_id and v.version = l.version
        and v.ordinal = l.ordinal and ${unindexedModelSql('v', '$6')})
    order by l.place limit $7
  )
  select l.document_id, l.version, l.ordinal, c.passage_sealed, l.title_sealed
  from lacking l
  join chunk c on c.tenant_id = $1 and c.document_id = l.document_id and c.version = l.version and c.ordinal = l.ordinal
  union all
  (select document_id, version, ordinal, null, null from looked where place = $5)
  order by document_id, version, ordinal, passage_sealed nulls last`;

/** The chunks after a position that have no vector of the model, among the next 1,024; `maxChunks` of them at most. */
export async function readLacking(
  tx: EntityManager,
  tenantId: string,
  modelId: string,
  { after, maxChunks }: { readonly after: ChunkKey; readonly maxChunks: number },
): Promise<LackingPage> {
  const { documentId, version, ordinal } = after;
  await planByKeys(tx);
  const rows = await tx.query<LackingRow[]>(lackingSql, [
    ...[tenantId, documentId, version, ordinal, lookedAt, modelId, maxChunks],
  ]);
  const chunks = rows.flatMap(({ passage_sealed: passageSealed, title_sealed: titleSealed, ...row }) =>
    passageSealed === null || titleSealed === null ? [] : [{ ...keyOf(row), passageSealed, titleSealed }],
  );
  const end = rows.find(({ passage_sealed: passage }) => passage === null);
  const last = chunks.length === maxChunks ? chunks.at(-1) : end && keyOf(end);
  return { chunks, after: last };
}

function keyOf(row: Pick<LackingRow, 'document_id' | 'version' | 'ordinal'>): ChunkKey {
  return { documentId: row.document_id, version: row.version, ordinal: row.ordinal };
}

/**
 * Whether any chunk of a live version has no row of the model; with `since`, of documents indexed from then on. It reads all of these: a
 * tenant's whole index takes a second for each hundred thousand chunks.
 */
export async function isLacking(
  tx: EntityManager,
  tenantId: string,
  modelId: string,
  since: Date | undefined = undefined,
): Promise<boolean> {
  await planByKeys(tx);
  const [row] = await tx.query<{ lacking: boolean }[]>(
    `select exists (
       select from indexed_document d
       join chunk c on c.tenant_id = $1 and c.document_id = d.document_id and c.version = d.version
       where d.tenant_id = $1 and ($3::timestamptz is null or d.indexed_at >= $3) and not exists (
         select from chunk_vector v where v.tenant_id = $1 and v.document_id = c.document_id and v.version = c.version
           and v.ordinal = c.ordinal and ${unindexedModelSql('v', '$2')})) as lacking`,
    [tenantId, modelId, since ?? null],
  );
  return row?.lacking === true;
}

/** Rows of a model: all, and those that say that it could make nothing of a chunk. */
export interface VectorCounts {
  readonly rows: number;
  readonly none: number;
}

export async function countVectors(tx: EntityManager, tenantId: string, modelId: string): Promise<VectorCounts> {
  const [row] = await tx.query<VectorCounts[]>(
    `select count(*)::int as rows, count(*) filter (where vector_key_version is null)::int as none from chunk_vector
     where tenant_id = $1 and model_id = $2`,
    [tenantId, modelId],
  );
  return row ?? { rows: 0, none: 0 };
}

/** Removes the rows that say that the model could make nothing of a chunk, so that it is asked again. */
export async function removeNone(tx: EntityManager, tenantId: string, modelId: string): Promise<void> {
  await tx.query('delete from chunk_vector where tenant_id = $1 and model_id = $2 and vector_key_version is null', [
    tenantId,
    modelId,
  ]);
}

/** The models that the tenant has vectors of, read from the index alone: a few steps, however many vectors there are. */
export async function storedModels(tx: EntityManager, tenantId: string): Promise<string[]> {
  const rows = await tx.query<{ model_id: string | null }[]>(
    `with recursive found as (
       select min(model_id) as model_id from chunk_vector where tenant_id = $1
       union all
       select (select min(v.model_id) from chunk_vector v where v.tenant_id = $1 and v.model_id > found.model_id)
       from found where found.model_id is not null)
     select model_id from found`,
    [tenantId],
  );
  return rows.flatMap(({ model_id: modelId }) => (modelId === null ? [] : [modelId]));
}

/**
 * Removes vectors of these models, and their bits, at most `maxRows`; gives how many. Rows that a writer holds at this moment are passed
 * over, so that nobody waits for anybody.
 */
export async function removeVectors(
  tx: EntityManager,
  tenantId: string,
  modelIds: readonly string[],
  maxRows: number,
): Promise<number> {
  await planByKeys(tx);
  const [row] = await tx.query<{ removed: number }[]>(
    `with taken as materialized (
       select document_id, version, ordinal, model_id from chunk_vector
       where tenant_id = $1 and model_id = any ($2::text[]) limit $3 for update skip locked),
     bits as (
       delete from chunk_bits b using taken t
       where b.tenant_id = $1 and b.document_id = t.document_id and b.version = t.version and b.ordinal = t.ordinal
         and b.model_id = t.model_id),
     vectors as (
       delete from chunk_vector v using taken t
       where v.tenant_id = $1 and v.document_id = t.document_id and v.version = t.version and v.ordinal = t.ordinal
         and ${unindexedModelSql('v', 't.model_id')} returning 1)
     select count(*)::int as removed from vectors`,
    [tenantId, modelIds, maxRows],
  );
  return row?.removed ?? 0;
}
