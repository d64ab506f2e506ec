import type { EntityManager } from 'typeorm';
import type { TenantTerms } from '../adapters/tenant-terms.ts';
import {
  type KeywordOverview,
  readDead,
  readPartNumbers,
  readSegments,
  readSizes,
  readTail,
} from '../db/keyword-search.ts';
import { affordableWords } from '../domain/affordable-words.ts';
import { type Bm25Scorer, type Bm25Scores, createBm25Scorer } from '../domain/bm25.ts';
import { compareChunks, type ChunkKey } from '../domain/chunk.ts';
import { DamagedPostings, maxPartChunks, readPart, readSegment } from '../domain/postings.ts';
import { createTurns, type Turns } from '../domain/turns.ts';

/**
 * What is read of segments for one question. A posting takes three to five bytes: six words that stand in every chunk are within the
 * bound for a tenant of 300,000 chunks. In memory a posting takes 14 bytes until it has been scored.
 */
const readingBounds = { maxWords: 64, maxBytes: 8 * 1024 * 1024 };
/** Postings that are read in one go: a few milliseconds. */
const maxBytesPerTurn = 256 * 1024;
/** Chunks of one score, of which some have a place: so many are looked at to give it to the right ones. */
const maxTies = 500;

/** A question's words, each once, and how often it says them. */
export type QuestionWords = ReadonlyMap<string, number>;

/** A chunk by its words. */
export interface KeywordHit extends ChunkKey {
  readonly keywordScore: number;
}

export interface KeywordQuery {
  readonly tenantId: string;
  readonly words: QuestionWords;
  /** For every key version of the overview. */
  readonly terms: ReadonlyMap<number, TenantTerms>;
  /** Undefined means all of the tenant's. */
  readonly documentIds: readonly string[] | undefined;
  readonly limit: number;
  /** When the caller has gone, the search ends before its next turn. */
  readonly signal: AbortSignal;
}

export interface KeywordResult {
  /** Best first; equal scores by document and position. */
  readonly hits: readonly KeywordHit[];
  /** Scores of chunks that were found otherwise, in their order. */
  readonly scoresOf: (chunks: readonly ChunkKey[]) => Promise<number[]>;
  /** Postings that could not be read and were passed over. */
  readonly damage: Damage;
  /** Words whose postings were not read, because the question has more than one search may read. */
  readonly leftOutWords: number;
}

export interface Damage {
  readonly documentIds: string[];
  readonly segmentVersions: Set<number>;
}

/**
 * The tenant's best chunks by BM25: segments, less the dead, and what is not merged yet, in the caller's snapshot. It is exact over
 * the words that are read, which are all words of the question unless `leftOutWords` says otherwise.
 */
export async function keywordCandidates(
  tx: EntityManager,
  overview: KeywordOverview,
  query: KeywordQuery,
): Promise<KeywordResult> {
  const damage: Damage = { documentIds: [], segmentVersions: new Set() };
  const words = await wordsToRead(tx, overview, query);
  const turns = createTurns(maxBytesPerTurn, query.signal);
  const dead = overview.hasDead ? await readDead(tx, query.tenantId) : new Set<number>();
  const scorer = createBm25Scorer([...words.values()], dead);
  const numbers = numberedTerms(overview, query, words);
  if (words.size > 0) {
    for (const [version, terms] of numbers) await addSegments(tx, query, version, terms, { scorer, damage, turns });
    if (overview.hasTail) await addTail(tx, query, numbers, { scorer, damage, turns });
  }
  const scores = await scorer.finish(sumOf(overview), query.signal);
  return {
    hits: await bestChunks(tx, query, scores),
    scoresOf: async (chunks) => scoresOfChunks(tx, query.tenantId, chunks, scores),
    damage,
    leftOutWords: query.words.size - words.size,
  };
}

/** Where what is read goes. */
interface Reading {
  readonly scorer: Bm25Scorer;
  readonly damage: Damage;
  readonly turns: Turns;
}

/** The number of each blind term of the question, by key version: a word has one number, whatever key blinds it. */
type NumberedTerms = ReadonlyMap<number, ReadonlyMap<bigint, number>>;

function numberedTerms(overview: KeywordOverview, { terms }: KeywordQuery, words: QuestionWords): NumberedTerms {
  return new Map(
    [...overview.byVersion.keys()].flatMap((version) => {
      const blind = terms.get(version);
      const numbered = [...words.keys()].map((word, at) => [blind?.word(word) ?? 0n, at] as const);
      return blind === undefined ? [] : [[version, new Map(numbered)] as const];
    }),
  );
}

/** All words of a question; of one that costs too much those that cost least, which are the rarest. */
async function wordsToRead(
  tx: EntityManager,
  overview: KeywordOverview,
  { tenantId, words, terms }: KeywordQuery,
): Promise<QuestionWords> {
  if (words.size === 0) return words;
  const bytes = new Map<string, number>();
  for (const version of overview.byVersion.keys()) {
    const blind = terms.get(version);
    if (blind === undefined) continue;
    const blinded = [...words.keys()].map((word) => [word, blind.word(word)] as const);
    const sizes = await readSizes(
      tx,
      tenantId,
      version,
      blinded.map(([, term]) => term),
    );
    for (const [word, term] of blinded) bytes.set(word, (bytes.get(word) ?? 0) + (sizes.get(String(term)) ?? 0));
  }
  // Words without a segment cost nothing; they may stand in what is not merged yet.
  const kept = affordableWords([...words.keys()], bytes, readingBounds);
  return new Map(kept.map((word) => [word, words.get(word) ?? 1]));
}

async function addSegments(
  tx: EntityManager,
  { tenantId }: KeywordQuery,
  version: number,
  terms: ReadonlyMap<bigint, number>,
  { scorer, damage, turns }: Reading,
): Promise<void> {
  for await (const row of readSegments(tx, tenantId, version, [...terms.keys()])) {
    const number = terms.get(BigInt(row.term)) ?? -1;
    try {
      readSegment(row, row.postings, (docNo, group) => {
        scorer.add(number, docNo, group);
      });
    } catch (error) {
      // The search answers by what can be read; the caller reports the rest, and the merger makes it anew.
      if (!(error instanceof DamagedPostings)) throw error;
      damage.segmentVersions.add(version);
    }
    await turns.after(row.postings.length);
  }
}

async function addTail(
  tx: EntityManager,
  { tenantId }: KeywordQuery,
  numbers: NumberedTerms,
  { scorer, damage, turns }: Reading,
): Promise<void> {
  const uppers = new Map([...numbers].map(([version, terms]) => [version, upperHalves(terms.keys())]));
  for await (const row of readTail(tx, tenantId)) {
    const terms = numbers.get(row.termsKeyVersion);
    const upper = uppers.get(row.termsKeyVersion);
    if (terms === undefined || upper === undefined) continue;
    try {
      readPart(row, row.postings, { hasUpperHalf: (half) => upper.has(half) }, (term, group) => {
        const number = terms.get(term);
        if (number !== undefined) scorer.add(number, row.docNo, group);
      });
    } catch (error) {
      // As above: this document is found by its vectors alone until the merger has seen it.
      if (!(error instanceof DamagedPostings)) throw error;
      damage.documentIds.push(row.documentId);
    }
    await turns.after(row.postings.length);
  }
}

function upperHalves(terms: Iterable<bigint>): Set<number> {
  return new Set([...terms].map((term) => Number(term >> 32n)));
}

function sumOf({ byVersion }: KeywordOverview) {
  const versions = [...byVersion.values()];
  return {
    chunkCount: versions.reduce((sum, { chunkCount }) => sum + chunkCount, 0),
    sumLength: versions.reduce((sum, { sumLength }) => sum + sumLength, 0),
  };
}

async function bestChunks(tx: EntityManager, query: KeywordQuery, scores: Bm25Scores): Promise<KeywordHit[]> {
  const { tenantId, documentIds, limit } = query;
  const allowed =
    documentIds === undefined
      ? undefined
      : new Set((await readPartNumbers(tx, tenantId, [], documentIds)).map(({ docNo }) => docNo));
  const best = scores.best(limit, maxTies, allowed === undefined ? undefined : (docNo) => allowed.has(docNo));
  if (best.length === 0) return [];
  const parts = await readPartNumbers(tx, tenantId, [...new Set(best.map(({ docNo }) => docNo))], []);
  const partOf = new Map(parts.map((part) => [part.docNo, part]));
  return best
    .flatMap(({ docNo, ordinal, score }) => {
      const part = partOf.get(docNo);
      if (part === undefined) return [];
      const { documentId, version } = part;
      return [{ documentId, version, ordinal: part.part * maxPartChunks + ordinal, keywordScore: score }];
    })
    .sort((a, b) => b.keywordScore - a.keywordScore || compareChunks(a, b))
    .slice(0, limit);
}

async function scoresOfChunks(
  tx: EntityManager,
  tenantId: string,
  chunks: readonly ChunkKey[],
  scores: Bm25Scores,
): Promise<number[]> {
  if (chunks.length === 0) return [];
  const parts = await readPartNumbers(tx, tenantId, [], [...new Set(chunks.map(({ documentId }) => documentId))]);
  const docNoOf = new Map(parts.map(({ documentId, part, docNo }) => [`${documentId}/${String(part)}`, docNo]));
  return chunks.map(({ documentId, ordinal }) => {
    const docNo = docNoOf.get(`${documentId}/${String(Math.floor(ordinal / maxPartChunks))}`);
    return docNo === undefined ? 0 : scores.of(docNo, ordinal % maxPartChunks);
  });
}
