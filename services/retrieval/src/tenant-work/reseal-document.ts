/** Re-sealing: a document's rows go to the current versions of the tenant's keys. Key rotation is made of this. */
import { ifReadable, type KeyRing } from '@wardstone/crypto';
import type { EntityManager } from 'typeorm';
import { currentVersion } from '../adapters/current-version.ts';
import { createKeywordWriter, type KeywordWriter } from '../adapters/keyword-writer.ts';
import { unlessLost } from '../adapters/lost-version.ts';
import { openLabels, openPassage, openTitle, sealLabels, sealPassage, sealTitle } from '../adapters/seals.ts';
import { currentSpace, spaceOfVersion, type TenantSpace } from '../adapters/tenant-space.ts';
import { currentTerms, type TenantTerms } from '../adapters/tenant-terms.ts';
import { lockDocument } from '../db/documents.ts';
import { indexedDocumentEntity, type IndexedDocumentRow } from '../db/entities.ts';
import { buryKeywords, replaceFilters } from '../db/keywords.ts';
import { readLost } from '../db/lost-rows.ts';
import { storedModels } from '../db/reembed.ts';
import {
  countOlder,
  type KeyVersions,
  type OlderThan,
  olderDocumentIds,
  readChunks,
  readOlderVectors,
  rewriteChunks,
  rewriteVectors,
  type StoredChunk,
  type StoredVector,
  usedKeyVersions,
} from '../db/reseal.ts';
import { searchableText } from '../domain/analyse.ts';
import { chunkIdOf, type DocumentKey } from '../domain/chunk.ts';
import { type DocumentLabels, filtersOf } from '../domain/labels.ts';
import type { Deps } from '../ports.ts';

type ResealDeps = Pick<Deps, 'database' | 'keys' | 'log'>;

/** Documents that one log line names at most. */
const maxNamedDocuments = 20;
/** Chunks in memory at a time: about half a megabyte. */
const pageChunks = 64;

/** What was done to a document. */
export interface ResealOutcome {
  /** Chunks whose passage or vector was written anew. */
  readonly chunks: number;
  /** Whether its keyword rows and filters were. */
  readonly keywords: boolean;
  /** Chunks whose passage does not open. They stay as they are, and count as re-sealed: no key will open them. */
  readonly unreadable: number;
}

/** Documents, and dead parts of keyword rows, that are below the current versions of the tenant's keys. */
export interface OlderRows {
  readonly documents: number;
  /** They wait for the merger, need no key, and go by themselves. */
  readonly deadParts: number;
  /** Vectors under older versions that there is no key of. They hold nothing up: there is nothing to be done about them. */
  readonly lostVectors: number;
}

/** How much is still below the current versions. Nothing is when both are 0. Thrown: KEY_UNAVAILABLE, DATABASE_UNAVAILABLE. */
export async function olderRows({ database, keys }: Omit<ResealDeps, 'log'>, tenantId: string): Promise<OlderRows> {
  const older = await olderThanCurrent({ database, keys }, tenantId);
  return database.inTenant(tenantId, (tx) => countOlder(tx, tenantId, older));
}

/** Ids of documents to re-seal, the first of them in order. Thrown: KEY_UNAVAILABLE, DATABASE_UNAVAILABLE. */
export async function olderDocuments(
  { database, keys }: Omit<ResealDeps, 'log'>,
  tenantId: string,
  limit: number,
): Promise<string[]> {
  const older = await olderThanCurrent({ database, keys }, tenantId);
  return database.inTenant(tenantId, (tx) => olderDocumentIds(tx, tenantId, older, limit));
}

/** Documents with vectors that are lost, the first 20 of them, and the versions. Thrown: KEY_UNAVAILABLE, DATABASE_UNAVAILABLE. */
export async function lostDocuments(
  { database, keys }: Omit<ResealDeps, 'log'>,
  tenantId: string,
): Promise<{ readonly documentIds: readonly string[]; readonly vectorKeyVersions: readonly number[] }> {
  const { lostVectors } = await olderThanCurrent({ database, keys }, tenantId);
  const query = { vectorKeyVersions: lostVectors, termsKeyVersions: [], documentIds: undefined, modelId: undefined };
  const { chunks } = await database.inTenant(tenantId, (tx) => readLost(tx, tenantId, query));
  const documentIds = [...new Set(chunks.map(({ documentId }) => documentId))].slice(0, maxNamedDocuments);
  return { documentIds, vectorKeyVersions: lostVectors };
}

/** The current versions, and which of the older ones that vectors are under are lost. Keys are not waited for inside a transaction. */
async function olderThanCurrent({ database, keys }: Omit<ResealDeps, 'log'>, tenantId: string): Promise<OlderThan> {
  const versions = await currentVersions(keys, tenantId);
  const { used, modelIds } = await database.inTenant(tenantId, async (tx) => {
    const models = await storedModels(tx, tenantId);
    return { used: await usedKeyVersions(tx, tenantId, models), modelIds: models };
  });
  const lostVectors: number[] = [];
  for (const version of used.filter((version) => version < versions.vectors)) {
    if ((await unlessLost(spaceOfVersion(keys, tenantId, version))) === undefined) lostVectors.push(version);
  }
  return { ...versions, lostVectors, modelIds };
}

async function currentVersions(keys: KeyRing, tenantId: string): Promise<KeyVersions> {
  const [content, vectors, terms] = await Promise.all([
    currentVersion(keys, tenantId, 'content'),
    currentVersion(keys, tenantId, 'vectors'),
    currentVersion(keys, tenantId, 'terms'),
  ]);
  return { content, vectors, terms };
}

/**
 * Moves everything of one document that is under older versions to the current ones: passages, title and labels; vectors of every
 * model and their bits, out of the old space into the new one; keyword rows and filters, made anew from the passages. One transaction under the
 * document's lock: a kill leaves it as it was, searches see it once, and a second call finds nothing to do. A
 * document that is not there is no error. A vector is rounded once more each time it moves; one under a version that there is no
 * key of stays where it is, as passages do that do not open, so that it can be helped should the key come back.
 * Thrown: KEY_UNAVAILABLE, DATABASE_UNAVAILABLE; the caller tries again.
 */
export async function resealDocument(deps: ResealDeps, { tenantId, documentId }: DocumentKey): Promise<ResealOutcome> {
  const { database, keys } = deps;
  const versions = await currentVersions(keys, tenantId);
  const [space, terms] = await Promise.all([currentSpace(keys, tenantId), currentTerms(keys, tenantId)]);
  return database.inTenant(tenantId, async (tx) => {
    await lockDocument(tx, { tenantId, documentId });
    const row = await tx.findOneBy(indexedDocumentEntity, { tenantId, documentId });
    if (row === null) return { chunks: 0, keywords: false, unreadable: 0 };
    const head = await openHead(deps, row);
    if (row.contentKeyVersion < versions.content) await resealHead(tx, keys, row, head, versions);
    const isKeywordsOlder = (row.termsKeyVersion ?? 0) < versions.terms;
    const keywords = isKeywordsOlder ? await beginKeywords(tx, row, head.labels, terms) : undefined;
    const spaces = new Map<number, TenantSpace | undefined>([[space.keyVersion, space]]);
    const done = await resealChunks(deps, tx, row, { versions, space, spaces, title: head.title, keywords });
    await keywords?.finish();
    return { ...done, keywords: isKeywordsOlder };
  });
}

interface Head {
  /** Undefined, as the labels, when it does not open. */
  readonly title: string | undefined;
  readonly labels: DocumentLabels | undefined;
}

async function openHead({ keys, log }: ResealDeps, row: IndexedDocumentRow): Promise<Head> {
  const { tenantId, documentId } = row;
  const title = await ifReadable(openTitle(keys, tenantId, documentId, row.titleSealed));
  const labels = await ifReadable(openLabels(keys, tenantId, documentId, row.labelsSealed ?? undefined));
  if (title === undefined || labels === undefined) log.error({ documentId }, 'a title or labels could not be opened');
  return { title, labels };
}

async function resealHead(
  tx: EntityManager,
  keys: KeyRing,
  { tenantId, documentId, titleSealed, labelsSealed }: IndexedDocumentRow,
  { title, labels }: Head,
  versions: KeyVersions,
): Promise<void> {
  const sealed = {
    titleSealed: title === undefined ? titleSealed : await sealTitle(keys, tenantId, documentId, title),
    labelsSealed:
      labels === undefined ? labelsSealed : ((await sealLabels(keys, tenantId, documentId, labels)) ?? null),
  };
  await tx.update(indexedDocumentEntity, { tenantId, documentId }, { ...sealed, contentKeyVersion: versions.content });
}

/** Takes the old keyword rows away. Filters of labels that do not open go with them: nothing can be asked of those. */
async function beginKeywords(
  tx: EntityManager,
  row: IndexedDocumentRow,
  labels: DocumentLabels | undefined,
  terms: TenantTerms,
): Promise<KeywordWriter> {
  const { tenantId, documentId } = row;
  await buryKeywords(tx, row);
  const filters = labels === undefined ? [] : filtersOf(labels);
  await replaceFilters(
    tx,
    row,
    terms.keyVersion,
    filters.map((filter) => terms.filter(filter)),
  );
  await tx.update(indexedDocumentEntity, { tenantId, documentId }, { termsKeyVersion: terms.keyVersion });
  return createKeywordWriter(tx, row, terms);
}

interface Target {
  readonly versions: KeyVersions;
  readonly space: TenantSpace;
  /** Spaces that vectors were found in so far; undefined where there is no key of the version. */
  readonly spaces: Map<number, TenantSpace | undefined>;
  readonly title: string | undefined;
  readonly keywords: KeywordWriter | undefined;
}

async function resealChunks(deps: ResealDeps, tx: EntityManager, row: IndexedDocumentRow, target: Target) {
  let [chunks, unreadable, after] = [0, 0, -1];
  for (;;) {
    const page = await readChunks(tx, row, { after, limit: pageChunks });
    const ordinals = page.map(({ ordinal }) => ordinal);
    const older = await readOlderVectors(tx, row, ordinals, target.space.keyVersion);
    const resealed: StoredChunk[] = [];
    const moved: StoredVector[] = [];
    for (const chunk of page) {
      const vectors = older.get(chunk.ordinal) ?? [];
      const isOlder = chunk.contentKeyVersion < target.versions.content || vectors.length > 0;
      if (!isOlder && target.keywords === undefined) continue;
      const passage = await ifReadable(openPassage(deps.keys, row.tenantId, chunk, chunk.passageSealed));
      if (passage === undefined) {
        unreadable += 1;
        deps.log.error({ documentId: row.documentId, chunkId: chunkIdOf(chunk) }, 'a chunk could not be opened');
      }
      await target.keywords?.add(passage === undefined ? '' : searchableText(target.title ?? '', passage.text));
      if (!isOlder) continue;
      const passageSealed =
        passage === undefined ? chunk.passageSealed : await sealPassage(deps.keys, row.tenantId, chunk, passage);
      resealed.push({ ...chunk, passageSealed, contentKeyVersion: target.versions.content });
      for (const vector of vectors) moved.push(...(await movedVector(deps.keys, row.tenantId, vector, target)));
    }
    await rewriteChunks(tx, row, resealed);
    await rewriteVectors(tx, row, moved);
    chunks += resealed.length;
    if (page.length < pageChunks) return { chunks, unreadable };
    after = page.at(-1)?.ordinal ?? after;
  }
}

/** The vector in the current space; none when nothing can be made of it, so that it stays as it is. */
async function movedVector(
  keys: KeyRing,
  tenantId: string,
  stored: StoredVector,
  { space, spaces }: Target,
): Promise<StoredVector[]> {
  const { vector, vectorKeyVersion } = stored;
  if (!spaces.has(vectorKeyVersion)) {
    spaces.set(vectorKeyVersion, await unlessLost(spaceOfVersion(keys, tenantId, vectorKeyVersion)));
  }
  const from = spaces.get(vectorKeyVersion);
  if (from === undefined) return [];
  return [{ ...stored, vector: space.enter(from.leave(vector)), vectorKeyVersion: space.keyVersion }];
}
