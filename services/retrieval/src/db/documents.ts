/** What is done to documents' rows, each in the caller's transaction. */
import type { EntityManager } from 'typeorm';
import { type ChunkRow, chunkEntity, indexedDocumentEntity, removedDocumentEntity } from './entities.ts';

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

export async function insertChunks(tx: EntityManager, rows: readonly ChunkRow[]): Promise<void> {
  await tx
    .createQueryBuilder()
    .insert()
    .into(chunkEntity)
    .values([...rows])
    .updateEntity(false)
    .execute();
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
