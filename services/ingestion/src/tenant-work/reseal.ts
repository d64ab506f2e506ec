/** Sealing a tenant's documents again, under the current version of its keys: one bounded step. */
import { ifReadable, keyVersionOfSealed, type SealedText } from '@wardstone/crypto';
import { AppError, isTransient } from '@wardstone/rpc';
import type { Resealing, WorkStep } from '@wardstone/tenancy';
import {
  openFingerprint,
  openField,
  sealField,
  sealFingerprint,
  type SealedField,
} from '../adapters/document-seals.ts';
import { find, markChecked } from '../db/documents.ts';
import type { IdempotencyRow } from '../db/entities.ts';
import {
  countToReseal,
  findKeysToReseal,
  findToReseal,
  replaceFingerprint,
  replaceSealed,
  type SealedFields,
} from '../db/resealing.ts';
import type { SealedDocument } from '../domain/document.ts';
import type { Unreadable } from '../metrics.ts';
import type { Deps } from '../ports.ts';
import { originalOf, resealOriginal } from './reseal-original.ts';

export type ResealDeps = Pick<Deps, 'database' | 'keys' | 'objects' | 'metrics' | 'log'>;

const maxDocumentsPerStep = 20;
const maxKeysPerStep = 200;

/**
 * Seals again what is settled: title, file name, labels, digest and original of documents, and what idempotency keys stand
 * for. Documents on their way in or out are only counted: their artefacts vanish when they settle, and then it is their turn.
 *
 * Every value is replaced only in place of the one that was read, so that two processes, a delete, or a kill between two
 * instructions lose nothing: the object first, then what it replaced, the row last, and what was done is found done. A value
 * that opens under no key stays as it is and counts as done (see the README). A document that fails otherwise goes to the end
 * of the line.
 * Thrown: transient reasons, with what was done until then done.
 */
export function resealStep(deps: ResealDeps) {
  return async (work: Resealing, signal: AbortSignal): Promise<WorkStep> => {
    const { tenantId, keyVersion, settledAt } = work;
    const { inTenant } = deps.database;
    let [documentsDone, moved] = [0, 0];
    for (const document of await inTenant(tenantId, (tx) => findToReseal(tx, keyVersion, maxDocumentsPerStep))) {
      if (signal.aborted) throw new AppError('CANCELLED');
      if (await tryDocument(deps, document, keyVersion, signal)) documentsDone += 1;
    }
    for (const row of await inTenant(tenantId, (tx) => findKeysToReseal(tx, keyVersion, maxKeysPerStep))) {
      if (signal.aborted) throw new AppError('CANCELLED');
      await resealKey(deps, row, keyVersion);
      moved += 1;
    }
    const documentsLeft = await inTenant(tenantId, (tx) => countToReseal(tx, keyVersion, settledAt));
    return { documentsDone, documentsLeft, moved };
  };
}

/** One document that cannot be helped now must not keep the rotation from the others. */
async function tryDocument(
  deps: ResealDeps,
  document: SealedDocument,
  keyVersion: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { tenantId, documentId } = document;
  try {
    return await resealDocument(deps, document, keyVersion, signal);
  } catch (error) {
    if (isTransient(AppError.from(error).reason)) throw error;
    deps.log.warn({ err: error, tenantId, documentId }, 'a document could not be sealed again; it is tried again');
    await deps.database.inTenant(tenantId, (tx) => markChecked(tx, documentId));
    return false;
  }
}

async function resealDocument(
  deps: ResealDeps,
  document: SealedDocument,
  keyVersion: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { tenantId, documentId } = document;
  const fields = await resealFields(deps, document, keyVersion);
  requireVersion(deps, tenantId, fields.versions, keyVersion);
  const original = await resealOriginal(deps, document, keyVersion, signal);
  if (original === 'changed') {
    await removeIfDeleted(deps, document);
    return false;
  }
  const versions = [...fields.versions, ...(original === 'unreadable' ? [] : [original])];
  requireVersion(deps, tenantId, versions, keyVersion);
  // Before the row says that it is done, so that a kill in between does it again. Of an original that opens under no key an
  // older version may be the one that does.
  if (original !== 'unreadable') await deps.objects.removeReplaced(originalOf(document));
  const reached = versions.length === 0 ? keyVersion : Math.min(...versions);
  const replacement = { ...fields.sealed, keyVersion: reached };
  const replaced = await deps.database.inTenant(tenantId, (tx) => replaceSealed(tx, document, replacement));
  if (!replaced) {
    await removeIfDeleted(deps, document);
    return false;
  }
  for (const field of [...fields.unreadable, ...(original === 'unreadable' ? (['original'] as const) : [])]) {
    reportUnreadable(deps, { tenantId, documentId }, field);
  }
  return true;
}

/** A process that has not heard of the new version seals under an old one; it asks before the step is done again. */
function requireVersion(
  { keys }: Pick<Deps, 'keys'>,
  tenantId: string,
  versions: readonly number[],
  keyVersion: number,
): void {
  if (versions.every((version) => version >= keyVersion)) return;
  keys.refresh(tenantId);
  throw new AppError('KEY_UNAVAILABLE');
}

/** A document that was deleted while its original was written has none: the deletion may have been there before. */
async function removeIfDeleted(deps: ResealDeps, { tenantId, documentId }: SealedDocument): Promise<void> {
  const now = await deps.database.inTenant(tenantId, (tx) => find(tx, documentId));
  if (now === undefined || now.state === 'DELETING') await deps.objects.removeDocument(tenantId, documentId);
}

const sealedFields = {
  title: 'titleSealed',
  file_name: 'fileNameSealed',
  labels: 'labelsSealed',
  digest: 'digestSealed',
} as const satisfies Record<SealedField, keyof SealedFields>;

/** The fields, sealed again where they are under an older version and open; versions of those that open. */
async function resealFields(deps: Pick<Deps, 'keys'>, document: SealedDocument, keyVersion: number) {
  const { titleSealed, fileNameSealed, labelsSealed, digestSealed } = document;
  const before = { titleSealed, fileNameSealed, labelsSealed, digestSealed };
  const sealed: { -readonly [Column in keyof SealedFields]?: SealedText } = {};
  const versions: number[] = [];
  const unreadable: SealedField[] = [];
  for (const [field, column] of Object.entries(sealedFields) as [SealedField, keyof SealedFields][]) {
    const value = before[column];
    if (value === null) continue;
    const reseal = async (): Promise<SealedText> =>
      keyVersionOfSealed(value) >= keyVersion
        ? value
        : sealField(deps.keys, document, field, await openField(deps.keys, document, field, value));
    const after = await ifReadable(reseal());
    if (after === undefined) {
      unreadable.push(field);
      continue;
    }
    sealed[column] = after;
    versions.push(keyVersionOfSealed(after));
  }
  return { sealed, versions, unreadable };
}

async function resealKey(deps: ResealDeps, row: IdempotencyRow, keyVersion: number): Promise<void> {
  const { tenantId, keyHash, documentId } = row;
  const before = await ifReadable(openFingerprint(deps.keys, tenantId, keyHash, row.fingerprintSealed));
  const after = before === undefined ? undefined : await sealFingerprint(deps.keys, tenantId, keyHash, before);
  const replacement =
    after === undefined ? { keyVersion } : { fingerprintSealed: after, keyVersion: keyVersionOfSealed(after) };
  await deps.database.inTenant(tenantId, (tx) => replaceFingerprint(tx, row, replacement));
  if (after === undefined) reportUnreadable(deps, { tenantId, documentId }, 'fingerprint');
}

function reportUnreadable(
  deps: Pick<Deps, 'metrics' | 'log'>,
  ids: { readonly tenantId: string; readonly documentId: string },
  field: Unreadable,
): void {
  deps.metrics.unreadable(field);
  deps.log.error({ ...ids, field }, 'opens under no key: it stays as it is, and no rotation waits for it');
}
