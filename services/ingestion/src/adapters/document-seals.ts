/** Sealing of what a document's row holds that may be PHI, under the tenant's content key. */
import { keyVersionOfSealed, open, seal, type KeyRing, type SealedText } from '@wardstone/crypto';
import type { Document, SealedDocument } from '../domain/document.ts';
import { isUnlabelled, noLabels, readLabels, writeLabels, type Labels } from '../domain/labels.ts';

/** Fields of a document's row that are sealed, as their seals name them. */
export type SealedField = 'title' | 'file_name' | 'labels' | 'digest';

function contextOf(document: Pick<SealedDocument, 'tenantId' | 'documentId'>, field: SealedField) {
  return { tenantId: document.tenantId, resource: document.documentId, field };
}

/** Seals one field; it opens only in the same field of the same document. */
export function sealField(
  keys: KeyRing,
  document: Pick<SealedDocument, 'tenantId' | 'documentId'>,
  field: SealedField,
  value: string,
): Promise<SealedText> {
  return seal(keys, 'content', contextOf(document, field), value);
}

/** Opens one field. Thrown: SEALED_VALUE_INVALID, KEY_UNAVAILABLE. */
export function openField(
  keys: KeyRing,
  document: Pick<SealedDocument, 'tenantId' | 'documentId'>,
  field: SealedField,
  sealed: string,
): Promise<string> {
  return open(keys, 'content', contextOf(document, field), sealed);
}

/** The lowest key version of values that were just sealed; null stands for none. */
export function lowestKeyVersion(...sealed: readonly (string | null)[]): number {
  return Math.min(...sealed.filter((value) => value !== null).map(keyVersionOfSealed));
}

/** Opens what readers see. Thrown: SEALED_VALUE_INVALID, KEY_UNAVAILABLE. */
export async function openDocument(keys: KeyRing, document: SealedDocument): Promise<Document> {
  const { labelsSealed } = document;
  const [title, fileName, labels] = await Promise.all([
    openField(keys, document, 'title', document.titleSealed),
    openField(keys, document, 'file_name', document.fileNameSealed),
    labelsSealed === null ? undefined : openField(keys, document, 'labels', labelsSealed),
  ]);
  return { ...document, title, fileName, ...(labels === undefined ? noLabels : readLabels(labels)) };
}

/** Seals labels and metadata as one value; null when there are none. */
export async function sealLabels(
  keys: KeyRing,
  document: Pick<SealedDocument, 'tenantId' | 'documentId'>,
  labels: Labels,
): Promise<SealedText | null> {
  return isUnlabelled(labels) ? null : sealField(keys, document, 'labels', writeLabels(labels));
}

/** Seals what an idempotency key stands for; it opens only under the same key. */
export function sealFingerprint(keys: KeyRing, tenantId: string, keyHash: Buffer, value: string): Promise<SealedText> {
  return seal(keys, 'content', { tenantId, resource: keyHash.toString('hex'), field: 'fingerprint' }, value);
}

export function openFingerprint(keys: KeyRing, tenantId: string, keyHash: Buffer, sealed: string): Promise<string> {
  return open(keys, 'content', { tenantId, resource: keyHash.toString('hex'), field: 'fingerprint' }, sealed);
}
