import { AppError } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import { unlessLost } from '../adapters/lost-version.ts';
import { currentSpace, spaceOfVersion, type TenantSpace } from '../adapters/tenant-space.ts';
import { currentTerms, termsOfVersion, type TenantTerms } from '../adapters/tenant-terms.ts';
import { type LostRows, readLost } from '../db/lost-rows.ts';
import { documentsWithTerm, readOverview, reportDamage } from '../db/keyword-search.ts';
import { planForTenant, readHits, type SealedHit, searchedVectors } from '../db/nearest-chunks.ts';
import { termsOf } from '../domain/analyse.ts';
import { compareChunks, type ChunkKey } from '../domain/chunk.ts';
import { fuse, keywordWeight, type RankedList, vectorWeightOf } from '../domain/fusion.ts';
import { comparableFilter, type EqualityFilter } from '../domain/labels.ts';
import type { VectorSteps } from '../domain/vector-steps.ts';
import type { Deps, QuestionVector } from '../ports.ts';
import { type Damage, keywordCandidates, type QuestionWords } from './keyword-candidates.ts';
import { vectorCandidates } from './vector-candidates.ts';

/**
 * A tenant has rows under one key version, or two while its keys are rotated, and its model is changed now and then; a search
 * that finds still others gives up.
 */
const attempts = 4;
/** Places of each of the two rankings that are fused; more when more is asked for. */
const minDepth = 100;

/** A question by one model; without a vector when that model, or the current one where none is named, is not served. */
export type AskedBy = QuestionVector | { readonly modelId: string | undefined; readonly vector: undefined };

export interface Question {
  readonly tenantId: string;
  readonly text: string;
  /** The question by the model that the tenant's searches are expected to use; the snapshot says whether they do. */
  readonly asked: AskedBy;
  /** The question by another one. */
  readonly embed: (modelId: string) => Promise<AskedBy>;
  /** Empty means all of the tenant's. */
  readonly documentIds: readonly string[];
  /** All of them have to hold. */
  readonly filters: readonly EqualityFilter[];
  readonly limit: number;
  /** When the caller has gone, the search ends before its next turn. */
  readonly signal: AbortSignal;
}

/** A chunk that was found by its words, by its vector or by both, still sealed. */
export interface Candidate extends SealedHit {
  /** BM25; 0 when no word of the question stands in it. */
  readonly keywordScore: number;
  readonly fusedScore: number;
}

export interface Candidates {
  /** Best first. */
  readonly hits: readonly Candidate[];
  readonly damage: Damage;
  readonly lost: LostRows;
  /** Words of the question whose postings were not read: they cost more than one search may. */
  readonly leftOutWords: number;
  /** The tenant's model; undefined while it has no document. */
  readonly tenantModelId: string | undefined;
  /** The model of every vector that was compared; undefined when the tenant's is not served, and words alone were. */
  readonly modelId: string | undefined;
}

/** What a search knows of the keys that the tenant's rows are under; of a version that there is no key of, that it is lost. */
interface Keyed {
  readonly spaces: Map<number, TenantSpace | undefined>;
  readonly terms: Map<number, TenantTerms | undefined>;
}

/**
 * The best chunks by words and vectors, whatever key versions the tenant's rows are under. One snapshot of the database, so
 * that a document that is re-sealed or merged meanwhile is neither missed nor seen twice. The snapshot says which model the tenant's
 * searches use: when it is not the one that the question was embedded with, the question is embedded anew, so that every answer is
 * of one model. Neither keys nor models are waited for inside a transaction.
 * Rows under a version that there is no key of are left out of their ranking, and told of.
 */
export async function findCandidates(
  { database, keys, vectorSteps }: Pick<Deps, 'database' | 'keys' | 'vectorSteps'>,
  question: Question,
): Promise<Candidates> {
  const { tenantId } = question;
  const [space, terms] = await Promise.all([currentSpace(keys, tenantId), currentTerms(keys, tenantId)]);
  const keyed: Keyed = {
    spaces: new Map([[space.keyVersion, space]]),
    terms: new Map([[terms.keyVersion, terms]]),
  };
  const words = countedWords(question.text);
  let { asked } = question;
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const found = await database.inTenant(
      tenantId,
      (tx) => searchOnce(tx, vectorSteps, { ...question, asked }, words, keyed),
      {
        isolation: 'REPEATABLE READ',
      },
    );
    if (found.result !== undefined) {
      await tellOfDamage({ database }, tenantId, found.result.damage);
      return found.result;
    }
    if (found.otherModelId !== undefined) asked = await question.embed(found.otherModelId);
    for (const version of found.spaces)
      keyed.spaces.set(version, await unlessLost(spaceOfVersion(keys, tenantId, version)));
    for (const version of found.terms)
      keyed.terms.set(version, await unlessLost(termsOfVersion(keys, tenantId, version)));
  }
  throw new AppError('DATABASE_UNAVAILABLE', { message: 'the index changes faster than it can be read' });
}

function countedWords(text: string): QuestionWords {
  const words = new Map<string, number>();
  for (const word of termsOf(text)) words.set(word, (words.get(word) ?? 0) + 1);
  return words;
}

/** What was found, or what is missing for it: keys of versions, and the question by another model. */
type Outcome =
  | { readonly result: Candidates }
  | {
      readonly result: undefined;
      readonly spaces: number[];
      readonly terms: number[];
      readonly otherModelId: string | undefined;
    };

async function searchOnce(
  tx: EntityManager,
  vectorSteps: VectorSteps,
  question: Question,
  words: QuestionWords,
  keyed: Keyed,
): Promise<Outcome> {
  const { tenantId, asked, limit, signal } = question;
  await planForTenant(tx);
  const overview = await readOverview(tx, tenantId);
  const searched = await searchedVectors(tx, tenantId);
  const tenantModelId = searched.modelId;
  const otherModelId = tenantModelId === asked.modelId ? undefined : tenantModelId;
  // Without a vector of the question none of the tenant's is compared, in whatever space it is.
  const versions = asked.vector === undefined ? [] : searched.keyVersions;
  const unknown = {
    spaces: versions.filter((version) => !keyed.spaces.has(version)),
    terms: [...overview.byVersion.keys()].filter((version) => !keyed.terms.has(version)),
  };
  if (otherModelId !== undefined || unknown.spaces.length + unknown.terms.length > 0) {
    return { result: undefined, ...unknown, otherModelId };
  }

  const [spaces, terms] = [known(keyed.spaces), known(keyed.terms)];
  const documentIds = await documentsAsked(tx, question, [...terms.values()]);
  const depth = Math.max(minDepth, limit);
  const tenantChunks = [...overview.byVersion.values()].reduce((sum, { chunkCount }) => sum + chunkCount, 0);
  const vectors = new Map<number, Float32Array>();
  const byVectors: RankedList<ChunkKey>[] = [];
  if (asked.vector !== undefined) {
    const { modelId, vector } = asked;
    for (const [version, space] of spaces) if (versions.includes(version)) vectors.set(version, space.enter(vector));
    const nearest = { tenantId, modelId, vectors, documentIds, limit: depth, tenantChunks };
    const items = await vectorCandidates(tx, vectorSteps, nearest);
    byVectors.push({ items, weight: vectorWeightOf(modelId) });
  }

  const readable = {
    ...overview,
    byVersion: new Map([...overview.byVersion].filter(([version]) => terms.has(version))),
  };
  const keywords = await keywordCandidates(tx, readable, { tenantId, words, terms, documentIds, limit: depth, signal });
  const fused = fuse<ChunkKey>(
    [{ items: keywords.hits, weight: keywordWeight }, ...byVectors],
    ({ documentId, version, ordinal }) => `${documentId}/${String(version)}/${String(ordinal)}`,
    compareChunks,
  ).slice(0, limit);
  const scores = await keywords.scoresOf(fused.map(({ item }) => item));
  const scored = fused.map(({ item: { documentId, version, ordinal }, fusedScore }, at) => ({
    ...{ documentId, version, ordinal, fusedScore },
    keywordScore: scores[at] ?? 0,
  }));
  const lost = await readLost(tx, tenantId, {
    vectorKeyVersions: versions.filter((version) => !spaces.has(version)),
    termsKeyVersions: [...overview.byVersion.keys()].filter((version) => !terms.has(version)),
    documentIds,
    modelId: asked.modelId,
  });
  const { damage, leftOutWords } = keywords;
  const hits = await readHits(tx, tenantId, scored, asked.modelId, vectors);
  const told = { tenantModelId, modelId: asked.vector === undefined ? undefined : asked.modelId };
  return { result: { hits, damage, lost, leftOutWords, ...told } };
}

function known<T>(byVersion: ReadonlyMap<number, T | undefined>): Map<number, T> {
  return new Map([...byVersion].flatMap(([version, key]) => (key === undefined ? [] : [[version, key] as const])));
}

/** The documents that are named and pass every filter; undefined when that is all of them. */
async function documentsAsked(
  tx: EntityManager,
  { tenantId, documentIds, filters }: Question,
  terms: readonly TenantTerms[],
): Promise<string[] | undefined> {
  let asked = documentIds.length === 0 ? undefined : [...new Set(documentIds)];
  for (const filter of filters.map(comparableFilter)) {
    const passing = await documentsWithTerm(
      tx,
      tenantId,
      terms.map((blind) => blind.filter(filter)),
    );
    asked = asked === undefined ? [...passing] : asked.filter((documentId) => passing.has(documentId));
  }
  return asked;
}

/** So that the merger makes the segments anew. Best effort: the next search finds the same damage, and tells of it again. */
async function tellOfDamage(
  { database }: Pick<Deps, 'database'>,
  tenantId: string,
  { segmentVersions }: Damage,
): Promise<void> {
  if (segmentVersions.size === 0) return;
  await database.inTenant(tenantId, (tx) => reportDamage(tx, tenantId, [...segmentVersions])).catch(() => undefined);
}
