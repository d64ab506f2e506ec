/** What re-sealing reads and writes, in its transaction. */
import { toSql } from 'pgvector';
import type { EntityManager } from 'typeorm';
import type { ChunkKey } from '../domain/chunk.ts';
import type { DocumentVersion } from './documents.ts';
import { unindexedModelSql } from './unindexed-model.ts';

/** Versions of a tenant's keys that new rows are written with. */
export interface KeyVersions {
  readonly content: number;
  readonly vectors: number;
  readonly terms: number;
}

/** Below which versions rows are to be sealed again. */
export interface OlderThan extends KeyVersions {
  /** Versions of the `vectors` key that rows are under and that there is no key of: nothing can be made of those vectors. */
  readonly lostVectors: readonly number[];
  /** Every model that the tenant has vectors of. */
  readonly modelIds: readonly string[];
}

// A document without keyword rows is below every version: it is found by its vectors alone.
const olderDocumentsSql = `
  select document_id from indexed_document
  where tenant_id = $1 and (content_key_version < $2 or coalesce(terms_key_version, 0) < $4)
  union
  select document_id from chunk where tenant_id = $1 and content_key_version < $2
  union
  select document_id from chunk_vector
  where tenant_id = $1 and model_id = any ($6::text[]) and vector_key_version < $3 and vector_key_version <> all ($5::int[])`;

/** Ids of documents that have anything below the versions, the first of them in order. Reads every row that is below. */
export async function olderDocumentIds(
  tx: EntityManager,
  tenantId: string,
  { content, vectors, terms, lostVectors, modelIds }: OlderThan,
  limit: number,
): Promise<string[]> {
  const rows = await tx.query<{ document_id: string }[]>(
    `select document_id from (${olderDocumentsSql}) older order by document_id limit $7`,
    [tenantId, content, vectors, terms, lostVectors, modelIds, limit],
  );
  return rows.map((row) => row.document_id);
}

export async function countOlder(
  tx: EntityManager,
  tenantId: string,
  { content, vectors, terms, lostVectors, modelIds }: OlderThan,
): Promise<{ documents: number; deadParts: number; lostVectors: number }> {
  const [row] = await tx.query<{ documents: number; dead_parts: number; lost_vectors: number }[]>(
    `select (select count(*)::int from (${olderDocumentsSql}) older) as documents,
            (select count(*)::int from keyword_dead where tenant_id = $1 and terms_key_version < $4) as dead_parts,
            (select count(*)::int from chunk_vector
             where tenant_id = $1 and model_id = any ($6::text[]) and vector_key_version = any ($5::int[])) as lost_vectors`,
    [tenantId, content, vectors, terms, lostVectors, modelIds],
  );
  return { documents: row?.documents ?? 0, deadParts: row?.dead_parts ?? 0, lostVectors: row?.lost_vectors ?? 0 };
}

/** A chunk's passage as it is stored. */
export interface StoredChunk extends ChunkKey {
  readonly passageSealed: string;
  readonly contentKeyVersion: number;
}

/** The chunks of a document's version after a position, in order. */
export async function readChunks(
  tx: EntityManager,
  { tenantId, documentId, version }: DocumentVersion,
  page: { readonly after: number; readonly limit: number },
): Promise<StoredChunk[]> {
  const rows = await tx.query<{ ordinal: number; passage_sealed: string; content_key_version: number }[]>(
    `select ordinal, passage_sealed, content_key_version from chunk
     where tenant_id = $1 and document_id = $2 and version = $3 and ordinal > $4 order by ordinal limit $5`,
    [tenantId, documentId, version, page.after, page.limit],
  );
  return rows.map((row) => ({
    ...{ documentId, version, ordinal: row.ordinal, passageSealed: row.passage_sealed },
    contentKeyVersion: row.content_key_version,
  }));
}

/** A chunk's vector of one model as it is stored. */
export interface StoredVector {
  readonly ordinal: number;
  readonly modelId: string;
  readonly vectorKeyVersion: number;
  readonly vector: Float32Array;
}

/** The vectors of chunks that are under versions below one, of every model, by their chunks. */
export async function readOlderVectors(
  tx: EntityManager,
  { tenantId, documentId, version }: DocumentVersion,
  ordinals: readonly number[],
  below: number,
): Promise<Map<number, StoredVector[]>> {
  const rows = await tx.query<{ ordinal: number; model_id: string; vector_key_version: number; embedding: string }[]>(
    `select ordinal, model_id, vector_key_version, embedding::text as embedding from chunk_vector
     where tenant_id = $1 and document_id = $2 and version = $3 and ordinal = any ($4::int[]) and vector_key_version < $5`,
    [tenantId, documentId, version, ordinals, below],
  );
  const vectors = rows.map((row) => ({
    ...{ ordinal: row.ordinal, modelId: row.model_id, vectorKeyVersion: row.vector_key_version },
    vector: Float32Array.from(JSON.parse(row.embedding) as number[]),
  }));
  return Map.groupBy(vectors, ({ ordinal }) => ordinal);
}

/** Writes passages that were sealed anew. */
export async function rewriteChunks(
  tx: EntityManager,
  { tenantId, documentId, version }: DocumentVersion,
  chunks: readonly Omit<StoredChunk, 'documentId' | 'version'>[],
): Promise<void> {
  if (chunks.length === 0) return;
  await tx.query(
    `update chunk c set passage_sealed = n.passage_sealed, content_key_version = n.content_key_version
     from unnest($4::int[], $5::text[], $6::int[]) as n (ordinal, passage_sealed, content_key_version)
     where c.tenant_id = $1 and c.document_id = $2 and c.version = $3 and c.ordinal = n.ordinal`,
    [
      ...[tenantId, documentId, version],
      chunks.map(({ ordinal }) => ordinal),
      chunks.map(({ passageSealed }) => passageSealed),
      chunks.map(({ contentKeyVersion }) => contentKeyVersion),
    ],
  );
}

/** Writes vectors that were moved, and their bits. */
export async function rewriteVectors(
  tx: EntityManager,
  { tenantId, documentId, version }: DocumentVersion,
  vectors: readonly StoredVector[],
): Promise<void> {
  if (vectors.length === 0) return;
  await tx.query(
    `with written as (
       update chunk_vector v set vector_key_version = n.vector_key_version, embedding = n.embedding::halfvec(1024)
       from unnest($4::int[], $5::text[], $6::int[], $7::text[]) as n (ordinal, model_id, vector_key_version, embedding)
       where v.tenant_id = $1 and v.document_id = $2 and v.version = $3 and v.ordinal = n.ordinal
         and ${unindexedModelSql('v', 'n.model_id')}
       returning v.ordinal, v.model_id, v.vector_key_version, v.embedding)
     update chunk_bits b set vector_key_version = w.vector_key_version, bits = binary_quantize(w.embedding)::bit(1024),
                             list_no = 0
     from written w
     where b.tenant_id = $1 and b.document_id = $2 and b.version = $3 and b.ordinal = w.ordinal and b.model_id = w.model_id`,
    [
      ...[tenantId, documentId, version],
      vectors.map(({ ordinal }) => ordinal),
      vectors.map(({ modelId }) => modelId),
      vectors.map(({ vectorKeyVersion }) => vectorKeyVersion),
      vectors.map(({ vector }) => toSql(Array.from(vector))),
    ],
  );
}

/** The versions that a tenant's vectors are under, of whatever model. From the index alone, as `storedModels`. */
export async function usedKeyVersions(
  tx: EntityManager,
  tenantId: string,
  modelIds: readonly string[],
): Promise<number[]> {
  const rows = await tx.query<{ version: number }[]>(
    `with recursive found as (
       select m.model_id, (select min(v.vector_key_version) from chunk_vector v
                           where v.tenant_id = $1 and v.model_id = m.model_id) as version
       from unnest($2::text[]) as m (model_id)
       union all
       select found.model_id, (select min(v.vector_key_version) from chunk_vector v
                               where v.tenant_id = $1 and v.model_id = found.model_id and v.vector_key_version > found.version)
       from found where found.version is not null)
     select distinct version from found where version is not null order by version`,
    [tenantId, modelIds],
  );
  return rows.map(({ version }) => version);
}
