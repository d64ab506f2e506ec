/** What is done to documents' rows, each in the caller's transaction. */
import { toSql } from 'pgvector';
import type { EntityManager } from 'typeorm';
import { chunkEntity, indexedDocumentEntity, removedDocumentEntity } from './entities.ts';

/** Names a document of a tenant. */
export interface DocumentKey {
  readonly tenantId: string;
  readonly documentId: string;
}

/** Lets one transaction at a time change a document; the others wait until it ends. */
export async function lockDocument(tx: EntityManager, { tenantId, documentId }: DocumentKey): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`retrieval/${tenantId}/${documentId}`]);
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

/** What is told of a document when its rows are written. */
export interface NewIndexedDocument extends DocumentKey {
  readonly version: number;
  readonly titleSealed: string;
  readonly chunkCount: number;
  readonly modelId: string;
}

/** Replaces a document's row, and removes the chunks of every version. The caller holds the lock. */
export async function replaceDocument(tx: EntityManager, document: NewIndexedDocument): Promise<void> {
  const { tenantId, documentId } = document;
  await tx.delete(chunkEntity, { tenantId, documentId });
  await tx.upsert(indexedDocumentEntity, { ...document, indexedAt: new Date() }, ['tenantId', 'documentId']);
}

/** A chunk's row: its passage sealed, its vector in the tenant's space. */
export interface NewChunk {
  readonly ordinal: number;
  readonly passageSealed: string;
  readonly vector: Float32Array;
  /** Version of the key that made that space. */
  readonly vectorKeyVersion: number;
}

/** Inserts chunks of one document in one statement: arrays keep it the same for any number of rows. */
export async function insertChunks(
  tx: EntityManager,
  { tenantId, documentId, version, modelId }: Omit<NewIndexedDocument, 'titleSealed' | 'chunkCount'>,
  chunks: readonly NewChunk[],
): Promise<void> {
  await tx.query(
    `insert into chunk
       (tenant_id, document_id, version, model_id, ordinal, passage_sealed, vector_key_version, embedding)
     select $1, $2, $3, $4, n.ordinal, n.passage_sealed, n.vector_key_version, n.embedding::halfvec(1024)
     from unnest($5::int[], $6::text[], $7::int[], $8::text[])
       as n (ordinal, passage_sealed, vector_key_version, embedding)`,
    [
      ...[tenantId, documentId, version, modelId],
      chunks.map(({ ordinal }) => ordinal),
      chunks.map(({ passageSealed }) => passageSealed),
      chunks.map(({ vectorKeyVersion }) => vectorKeyVersion),
      chunks.map(({ vector }) => toSql(Array.from(vector))),
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
  const { affected } = await tx.delete(chunkEntity, { tenantId, documentId });
  await tx.delete(indexedDocumentEntity, { tenantId, documentId });
  return affected ?? 0;
}
