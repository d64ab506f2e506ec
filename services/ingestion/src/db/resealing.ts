/** What a rotation of keys asks of the rows, each in the caller's transaction. */
import { In, LessThan, Raw, type EntityManager } from 'typeorm';
import { settledStates } from '../domain/document.ts';
import type { SealedDocument } from '../domain/document.ts';
import { documentEntity, idempotencyEntity, type IdempotencyRow } from './entities.ts';

/** What of a document's row is sealed. */
export type SealedFields = Pick<SealedDocument, 'titleSealed' | 'fileNameSealed' | 'labelsSealed' | 'digestSealed'>;

/** Settled documents under a version below, those that were tried longest ago first. */
export async function findToReseal(tx: EntityManager, below: number, limit: number): Promise<SealedDocument[]> {
  return tx.find(documentEntity, {
    where: { state: In([...settledStates]), keyVersion: LessThan(below) },
    order: { checkedAt: 'ASC' },
    take: limit,
  });
}

/**
 * Puts newly sealed fields in place of those of the row that was read; fields that are left out stay as they are. False when
 * the row is not that one any more: the document was deleted, or somebody else sealed it again. Rows are told apart by
 * revision and key version, never by sealed values: a damaged one equals nothing. Readers see no change, so the revision stays.
 */
export async function replaceSealed(
  tx: EntityManager,
  { documentId, revision, keyVersion }: Pick<SealedDocument, 'documentId' | 'revision' | 'keyVersion'>,
  replacement: Partial<SealedFields> & { readonly keyVersion: number },
): Promise<boolean> {
  const where = { documentId, state: In([...settledStates]), revision, keyVersion };
  const { affected } = await tx.update(documentEntity, where, replacement);
  return (affected ?? 0) > 0;
}

export async function findKeysToReseal(tx: EntityManager, below: number, limit: number): Promise<IdempotencyRow[]> {
  return tx.find(idempotencyEntity, { where: { keyVersion: LessThan(below) }, take: limit });
}

/** The same for an idempotency key; one that ran out or was claimed anew meanwhile stays as it is. */
export async function replaceFingerprint(
  tx: EntityManager,
  { keyHash, documentId, keyVersion }: Pick<IdempotencyRow, 'keyHash' | 'documentId' | 'keyVersion'>,
  replacement: Partial<Pick<IdempotencyRow, 'fingerprintSealed'>> & Pick<IdempotencyRow, 'keyVersion'>,
): Promise<void> {
  await tx.update(idempotencyEntity, { keyHash, documentId, keyVersion }, replacement);
}

/**
 * What still is, or may come, under a version below: settled documents; documents that are on their way in or out and began
 * before `settledAt` or lie under an older version, because their artefacts may; idempotency keys.
 */
export async function countToReseal(tx: EntityManager, below: number, settledAt: Date): Promise<number> {
  const unsettled = Raw((column) => `${column} not in (:...settled)`, { settled: [...settledStates] });
  const documents = await tx.countBy(documentEntity, [
    { state: In([...settledStates]), keyVersion: LessThan(below) },
    { state: unsettled, createdAt: LessThan(settledAt) },
    { state: unsettled, keyVersion: LessThan(below) },
  ]);
  return documents + (await tx.countBy(idempotencyEntity, { keyVersion: LessThan(below) }));
}
