/** What re-sealing reads and writes, in its transaction. */
import { toSql } from 'pgvector';
import type { EntityManager } from 'typeorm';
import type { ChunkKey, DocumentKey } from '../domain/chunk.ts';

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
}

// A document without keyword rows is below every version: it is found by its vectors alone.
const olderDocumentsSql = `
  select document_id from indexed_document
  where tenant_id = $1 and (content_key_version < $2 or coalesce(terms_key_version, 0) < $4)
  union
  select document_id from chunk where tenant_id = $1 and content_key_version < $2
  union
  select document_id from chunk
  where tenant_id = $1 and vector_key_version < $3 and vector_key_version <> all ($5::int[])`;

/** Ids of documents that have anything below the versions, in their order. */
export async function olderDocumentIds(
  tx: EntityManager,
  tenantId: string,
  { content, vectors, terms, lostVectors }: OlderThan,
  page: { readonly after: string; readonly limit: number },
): Promise<string[]> {
  const rows = await tx.query<{ document_id: string }[]>(
    `select document_id from (${olderDocumentsSql}) older where document_id > $6 order by document_id limit $7`,
    [tenantId, content, vectors, terms, lostVectors, page.after, page.limit],
  );
  return rows.map((row) => row.document_id);
}

export async function countOlder(
  tx: EntityManager,
  tenantId: string,
  { content, vectors, terms, lostVectors }: OlderThan,
): Promise<{ documents: number; deadParts: number; lostVectors: number }> {
  const [row] = await tx.query<{ documents: number; dead_parts: number; lost_vectors: number }[]>(
    `select (select count(*)::int from (${olderDocumentsSql}) older) as documents,
            (select count(*)::int from keyword_dead where tenant_id = $1 and terms_key_version < $4) as dead_parts,
            (select count(*)::int from chunk where tenant_id = $1 and vector_key_version = any ($5::int[])) as lost_vectors`,
    [tenantId, content, vectors, terms, lostVectors],
  );
  return { documents: row?.documents ?? 0, deadParts: row?.dead_parts ?? 0, lostVectors: row?.lost_vectors ?? 0 };
}

/** A chunk as it is stored. */
export interface StoredChunk extends ChunkKey {
  readonly passageSealed: string;
  readonly contentKeyVersion: number;
  readonly vector: Float32Array;
  readonly vectorKeyVersion: number;
}

interface ChunkColumns {
  readonly ordinal: number;
  readonly passage_sealed: string;
  readonly content_key_version: number;
  readonly vector_key_version: number;
  readonly embedding: string;
}

/** The chunks of a document's version after a position, in order. */
export async function readChunks(
  tx: EntityManager,
  { tenantId, documentId, version }: DocumentKey & { readonly version: number },
  page: { readonly after: number; readonly limit: number },
): Promise<StoredChunk[]> {
  const rows = await tx.query<ChunkColumns[]>(
    `select ordinal, passage_sealed, content_key_version, vector_key_version, embedding::text as embedding from chunk
     where tenant_id = $1 and document_id = $2 and version = $3 and ordinal > $4 order by ordinal limit $5`,
    [tenantId, documentId, version, page.after, page.limit],
  );
  return rows.map((row) => ({
    ...{ documentId, version, ordinal: row.ordinal, passageSealed: row.passage_sealed },
    contentKeyVersion: row.content_key_version,
    vector: Float32Array.from(JSON.parse(row.embedding) as number[]),
    vectorKeyVersion: row.vector_key_version,
  }));
}

/** Writes what is sealed of chunks anew, and the bits of their vectors. */
export async function rewriteChunks(
  tx: EntityManager,
  { tenantId, documentId, version }: DocumentKey & { readonly version: number },
  chunks: readonly Omit<StoredChunk, 'documentId' | 'version'>[],
): Promise<void> {
  if (chunks.length === 0) return;
  await tx.query(
    `with written as (
       update chunk c set passage_sealed = n.passage_sealed, content_key_version = n.content_key_version,
                          vector_key_version = n.vector_key_version, embedding = n.embedding::halfvec(1024)
       from unnest($4::int[], $5::text[], $6::int[], $7::int[], $8::text[])
         as n (ordinal, passage_sealed, content_key_version, vector_key_version, embedding)
       where c.tenant_id = $1 and c.document_id = $2 and c.version = $3 and c.ordinal = n.ordinal
       returning c.ordinal, c.vector_key_version, c.embedding)
     update chunk_bits b set vector_key_version = w.vector_key_version, bits = binary_quantize(w.embedding)::bit(1024),
                             list_no = 0
     from written w
     where b.tenant_id = $1 and b.document_id = $2 and b.version = $3 and b.ordinal = w.ordinal`,
    [
      ...[tenantId, documentId, version],
      chunks.map(({ ordinal }) => ordinal),
      chunks.map(({ passageSealed }) => passageSealed),
      chunks.map(({ contentKeyVersion }) => contentKeyVersion),
      chunks.map(({ vectorKeyVersion }) => vectorKeyVersion),
      chunks.map(({ vector }) => toSql(Array.from(vector))),
    ],
  );
}
