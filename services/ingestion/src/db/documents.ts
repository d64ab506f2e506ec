/** What is done to documents' rows, each in the caller's transaction. */
import type { SealedText } from '@wardstone/crypto';
import { In, LessThan, type EntityManager } from 'typeorm';
import { pendingStates, pipelinePercent, statesUpTo, visibleStates } from '../domain/document.ts';
import type { DocumentState, SealedDocument } from '../domain/document.ts';
import type { Reason } from '@wardstone/rpc';
import { documentEntity } from './entities.ts';

/** A change that readers see: it gets a new revision, and watchers are told. */
const touched = { revision: () => 'revision + 1', updatedAt: () => 'now()', checkedAt: () => 'now()' } as const;

/** Names one version of a document; a job or a row serves as one. */
export interface VersionKey {
  readonly documentId: string;
  readonly version: number;
}

/** Nothing but the key: TypeORM takes every property of a criterion for a column. */
function only({ documentId, version }: VersionKey): VersionKey {
  return { documentId, version };
}

/** The document as long as readers may see it. */
export async function findVisible(tx: EntityManager, documentId: string): Promise<SealedDocument | undefined> {
  return find(tx, documentId, visibleStates);
}

/** The document in any of the states, or in any at all. */
export async function find(
  tx: EntityManager,
  documentId: string,
  states?: readonly DocumentState[],
): Promise<SealedDocument | undefined> {
  const where = { documentId, ...(states === undefined ? {} : { state: In([...states]) }) };
  return (await tx.findOneBy(documentEntity, where)) ?? undefined;
}

/** Documents in the states, newest first, older than `before`. */
export async function findPage(
  tx: EntityManager,
  page: { readonly states: readonly DocumentState[]; readonly before: string | undefined; readonly limit: number },
): Promise<SealedDocument[]> {
  return tx.find(documentEntity, {
    where: {
      state: In([...page.states]),
      ...(page.before === undefined ? {} : { documentId: LessThan(page.before) }),
    },
    order: { documentId: 'DESC' },
    take: page.limit,
  });
}

export type NewDocument = Pick<
  SealedDocument,
  | 'tenantId'
  | 'documentId'
  | 'titleSealed'
  | 'fileNameSealed'
  | 'labelsSealed'
  | 'keyVersion'
  | 'mediaType'
  | 'createdBy'
  | 'requestId'
>;

/** Makes the row that accounts for an upload's bytes before they come. */
export async function insertUploading(tx: EntityManager, document: NewDocument): Promise<void> {
  await tx.insert(documentEntity, { ...document, state: 'UPLOADING' });
}

/** Says that an upload still goes on. False when the row was given up. */
export async function keepUploading(tx: EntityManager, documentId: string): Promise<boolean> {
  const change = { updatedAt: () => 'now()', checkedAt: () => 'now()' };
  return changed(await tx.update(documentEntity, { documentId, state: 'UPLOADING' }, change));
}

/** The original is durable. False when the row was given up meanwhile. */
export async function markReceived(
  tx: EntityManager,
  documentId: string,
  {
    sizeBytes,
    digestSealed,
    keyVersion,
  }: Pick<SealedDocument, 'sizeBytes' | 'keyVersion'> & { readonly digestSealed: SealedText },
): Promise<boolean> {
  const lowest = () => `least(key_version, ${String(keyVersion)})`;
  const change = { sizeBytes, digestSealed, keyVersion: lowest, ...touched, state: 'RECEIVED' } as const;
  return changed(await tx.update(documentEntity, { documentId, state: 'UPLOADING' }, change));
}

/** Moves a document of the pipeline on, never back. False when it is further, another version, or gone. */
export async function advance(
  tx: EntityManager,
  key: VersionKey,
  state: 'EXTRACTING' | 'EMBEDDING' | 'INDEXING',
  stagePercent: number,
): Promise<boolean> {
  const percent = pipelinePercent(state, stagePercent);
  const where = { ...only(key), state: In([...statesUpTo(state)]), percent: LessThan(percent) };
  return changed(await tx.update(documentEntity, where, { state, percent, ...touched }));
}

/** What extraction found; the document waits for its vectors. */
export async function markExtracted(
  tx: EntityManager,
  key: VersionKey,
  counts: { readonly pageCount: number; readonly chunkCount: number },
): Promise<boolean> {
  const where = { ...only(key), state: In([...pendingStates]) };
  if (!changed(await tx.update(documentEntity, where, { ...counts, ...touched }))) return false;
  await advance(tx, key, 'EMBEDDING', 0);
  return true;
}

/** Ends the pipeline. False when the document has ended already, is another version, or is gone. */
export async function settle(
  tx: EntityManager,
  key: VersionKey,
  end: { readonly state: 'READY' } | { readonly state: 'FAILED'; readonly reason: Reason },
): Promise<boolean> {
  const change = end.state === 'READY' ? { percent: 100 } : { failureReason: end.reason };
  const where = { ...only(key), state: In([...pendingStates]) };
  return changed(await tx.update(documentEntity, where, { state: end.state, ...change, ...touched }));
}

/** Hides a document from every reader. False when it was hidden or is gone. */
export async function markDeleting(tx: EntityManager, documentId: string, revision?: number): Promise<boolean> {
  const where = { documentId, state: In([...visibleStates]), ...(revision === undefined ? {} : { revision }) };
  return changed(await tx.update(documentEntity, where, { state: 'DELETING', ...touched }));
}

/** Gives up an upload whose process died: from here on it is removed like a deleted document. */
export async function abandonUpload(tx: EntityManager, documentId: string, idleSince: Date): Promise<boolean> {
  const where = { documentId, state: 'UPLOADING' as const, updatedAt: LessThan(idleSince) };
  return changed(await tx.update(documentEntity, where, { state: 'DELETING', ...touched }));
}

/** Gives up an upload of this process that failed. False when it is accepted already, or gone. */
export async function giveUpUpload(tx: EntityManager, documentId: string): Promise<boolean> {
  const where = { documentId, state: 'UPLOADING' as const };
  return changed(await tx.update(documentEntity, where, { state: 'DELETING', ...touched }));
}

/** The reconciler looked at it; readers see no change. */
export async function markChecked(tx: EntityManager, documentId: string): Promise<void> {
  await tx.update(documentEntity, { documentId }, { checkedAt: () => 'now()' });
}

/** The reconciler need not look at it for so long: its tenant may not be used. */
export async function postponeCheck(tx: EntityManager, documentId: string, pauseMs: number): Promise<void> {
  await tx.update(documentEntity, { documentId }, { checkedAt: new Date(Date.now() + pauseMs) });
}

/** Removes the row of a document whose objects and index rows are gone, and its idempotency keys with it. */
export async function removeRow(tx: EntityManager, documentId: string): Promise<boolean> {
  return changed(await tx.delete(documentEntity, { documentId, state: In(['UPLOADING', 'DELETING']) }));
}

function changed(result: { affected?: number | null }): boolean {
  return (result.affected ?? 0) > 0;
}
