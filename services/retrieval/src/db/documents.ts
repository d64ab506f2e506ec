/** What is done to documents' rows, each in the caller's transaction. */
import type { SealedText } from '@wardstone/crypto';
import { holdLock } from '@wardstone/db';
import { toSql } from 'pgvector';
import type { EntityManager } from 'typeorm';
import type { DocumentKey } from '../domain/chunk.ts';
import { buryKeywords } from './keywords.ts';
import { chunkEntity, indexedDocumentEntity, removedDocumentEntity } from './entities.ts';

/** Lets one transaction at a time change a document; the others wait until it ends. */
export async function lockDocument(tx: EntityManager, { tenantId, documentId }: DocumentKey): Promise<void> {
  await holdLock(tx, `retrieval/${tenantId}/${documentId}`);
}

export async function isRemoved(tx: EntityManager, { tenantId, documentId }: DocumentKey): Promise<boolean> {
  return tx.existsBy(removedDocumentEntity, { tenantId, documentId });
}

/** Version that searches see, or undefined. */
export async function liveVersion(
  tx: EntityManager,
  { tenantId, documentId }: DocumentKey,
): Promise<number | undefined> {
  return (await tx.findOneBy(indexedDocumentEntity, { tenantId, documentId }))?.version;
}

/** Chunks of the documents named, as far as they are there. */
export async function countChunks(
  tx: EntityManager,
  tenantId: string,
  documentIds: readonly string[],
): Promise<number> {
  const [row] = await tx.query<{ chunks: string | null }[]>(
    'select sum(chunk_count) as chunks from indexed_document where tenant_id = $1 and document_id = any ($2::uuid[])',
    [tenantId, documentIds],
  );
  return Number(row?.chunks ?? 0);
}

/** What is told of a document when its rows are written. */
export interface NewIndexedDocument extends DocumentKey {
  readonly version: number;
  readonly titleSealed: SealedText;
  /** Undefined when the document has neither labels nor metadata. */
  readonly labelsSealed: SealedText | undefined;
  readonly contentKeyVersion: number;
  /** Version of the `terms` key that its keyword rows and filters are written with; undefined when none are. */
  readonly termsKeyVersion: number | undefined;
  readonly chunkCount: number;
}

/** Replaces a document's row, and removes everything else of every version. The caller holds the lock. */
export async function replaceDocument(tx: EntityManager, document: NewIndexedDocument): Promise<void> {
  const { tenantId, documentId } = document;
  await removeContents(tx, document);
  const row = {
    ...document,
    labelsSealed: document.labelsSealed ?? null,
    termsKeyVersion: document.termsKeyVersion ?? null,
    indexedAt: new Date(),
  };
  await tx.upsert(indexedDocumentEntity, row, ['tenantId', 'documentId']);
  await tx.query('delete from document_filter where tenant_id = $1 and document_id = $2', [tenantId, documentId]);
}

/** Removes chunks, their vectors (before their bits, as everybody locks them) and keyword rows. Answers how many chunks there were. */
async function removeContents(tx: EntityManager, { tenantId, documentId }: DocumentKey): Promise<number> {
  await buryKeywords(tx, { tenantId, documentId });
  for (const table of ['chunk_vector', 'chunk_bits']) {
    await tx.query(`delete from ${table} where tenant_id = $1 and document_id = $2`, [tenantId, documentId]);
  }
  const { affected } = await tx.delete(chunkEntity, { tenantId, documentId });
  return affected ?? 0;
}

/** A chunk's row: its passage, sealed. */
export interface NewChunk {
  readonly ordinal: number;
  readonly passageSealed: SealedText;
  /** Version of the content key that sealed it. */
  readonly contentKeyVersion: number;
}

/** A chunk's vector of one model. */
export interface NewVector {
  readonly ordinal: number;
  /** In the tenant's space; undefined when the model can make nothing of the passage. */
  readonly vector: Float32Array | undefined;
}

/** A document as it stands at one version. */
export type DocumentVersion = DocumentKey & { readonly version: number };

/** Inserts chunks of one document in one statement: arrays keep it the same for any number. */
export async function insertChunks(
  tx: EntityManager,
  { tenantId, documentId, version }: DocumentVersion,
  chunks: readonly NewChunk[],
): Promise<void> {
  await tx.query(
    `insert into chunk (tenant_id, document_id, version, ordinal, passage_sealed, content_key_version)
     select $1, $2, $3, n.ordinal, n.passage_sealed, n.content_key_version
     from unnest($4::int[], $5::text[], $6::int[]) as n (ordinal, passage_sealed, content_key_version)`,
    [
      ...[tenantId, documentId, version],
      chunks.map(({ ordinal }) => ordinal),
      chunks.map(({ passageSealed }) => passageSealed),
      chunks.map(({ contentKeyVersion }) => contentKeyVersion),
    ],
  );
}

/** Of which model and in which space vectors are. */
export interface VectorKind {
  readonly modelId: string;
  /** Version of the `vectors` key that made the space. */
  readonly vectorKeyVersion: number;
}

/** Inserts vectors of one document and their bits; those that are there already stay as they are. */
export async function insertVectors(
  tx: EntityManager,
  { tenantId, documentId, version }: DocumentVersion,
  { modelId, vectorKeyVersion }: VectorKind,
  vectors: readonly NewVector[],
): Promise<void> {
  await tx.query(
    `with written as (
       insert into chunk_vector (tenant_id, document_id, version, ordinal, model_id, vector_key_version, embedding)
       select $1, $2, $3, n.ordinal, $4, case when n.embedding is null then null else $5::int end, n.embedding::halfvec(1024)
       from unnest($6::int[], $7::text[]) as n (ordinal, embedding)
       on conflict do nothing
       returning tenant_id, document_id, version, ordinal, model_id, vector_key_version, embedding)
     insert into chunk_bits (tenant_id, document_id, version, ordinal, model_id, vector_key_version, bits)
     select tenant_id, document_id, version, ordinal, model_id, vector_key_version, binary_quantize(embedding)::bit(1024)
     from written where embedding is not null`,
    [
      ...[tenantId, documentId, version, modelId, vectorKeyVersion],
      vectors.map(({ ordinal }) => ordinal),
      vectors.map(({ vector }) => (vector === undefined ? null : toSql(Array.from(vector)))),
    ],
  );
}

/** Removes every row of a document and leaves the tombstone. Answers how many chunks there were. */
export async function removeDocumentRows(tx: EntityManager, { tenantId, documentId }: DocumentKey): Promise<number> {
  await lockDocument(tx, { tenantId, documentId });
  await tx
    .createQueryBuilder()
    .insert()
    .into(removedDocumentEntity)
    .values({ tenantId, documentId })
    .orIgnore()
    .updateEntity(false)
    .execute();
  const removed = await removeContents(tx, { tenantId, documentId });
  await tx.delete(indexedDocumentEntity, { tenantId, documentId });
  return removed;
}
