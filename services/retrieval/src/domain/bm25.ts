/** Exact Okapi BM25 (Robertson and Zaragoza 2009) over postings, whatever their terms stand for. */
import { maxPartChunks, type PostingGroup } from './postings.ts';
import { createTurns } from './turns.ts';

/**
 * How fast repetition stops to count, and how much a long chunk is held against it. Measured on SciFact, MedQuAD, COVID-QA and
 * PubMedQA (deploy/bench, row `quality`): beside k1 1.2 and b 0.75 these find better on COVID-QA (nDCG@10 .763, .759),
 * and alike on the rest. Chunks are of even length, so that little hangs on b.
 */
export const bm25 = { k1: 0.9, b: 0.4 } as const;

/** What is known of all live chunks of a tenant. */
export interface CollectionStatistics {
  readonly chunkCount: number;
  /** Terms of all chunks together. */
  readonly sumLength: number;
}

/** A chunk with its score: the part it is in, and its position there. */
export interface ScoredChunk {
  readonly docNo: number;
  readonly ordinal: number;
  readonly score: number;
}

/** Collects postings of a question's terms and scores chunks by them. */
export interface Bm25Scorer {
  /** Postings of the question's term number `term`, in any order. Parts that are dead are passed over. */
  add(term: number, docNo: number, group: PostingGroup): void;
  /** Scores what was added; nothing is added any more. Thrown: why nobody waits for it, when `signal` says so. */
  finish(statistics: CollectionStatistics, signal: AbortSignal): Promise<Bm25Scores>;
}

export interface Bm25Scores {
  /** The score of one chunk; 0 when no term of the question stands in it. */
  of(docNo: number, ordinal: number): number;
  /**
   * The best `limit` chunks among those with a score, best first, and those that tie with the last of them, but at most
   * `maxTies`: who knows by what to order them cuts them off.
   */
  best(limit: number, maxTies: number, isAllowed?: (docNo: number) => boolean): ScoredChunk[];
}

/** Postings that are scored in one go: about a millisecond. */
const maxPostingsPerTurn = 64 * 1024;

/** Postings of one term as columns; the arrays are longer than `count`. */
interface Postings {
  count: number;
  slots: Uint32Array;
  ordinals: Uint16Array;
  frequencies: Uint32Array;
  lengths: Uint32Array;
}

function newPostings(capacity: number): Postings {
  return {
    count: 0,
    slots: new Uint32Array(capacity),
    ordinals: new Uint16Array(capacity),
    frequencies: new Uint32Array(capacity),
    lengths: new Uint32Array(capacity),
  };
}

/** Makes room for a group, twice as much as there was. */
function makeRoom(postings: Postings): void {
  if (postings.count + maxPartChunks <= postings.slots.length) return;
  const larger = newPostings(2 * (postings.slots.length + maxPartChunks));
  larger.slots.set(postings.slots);
  larger.ordinals.set(postings.ordinals);
  larger.frequencies.set(postings.frequencies);
  larger.lengths.set(postings.lengths);
  Object.assign(postings, { ...larger, count: postings.count });
}

/** `repeats` says how often each term stands in the question. */
export function createBm25Scorer(repeats: readonly number[], dead: ReadonlySet<number>): Bm25Scorer {
  const terms = repeats.map(() => newPostings(0));
  const slotOf = new Map<number, number>();
  const docNos: number[] = [];
  /** Of each slot, one more than the greatest position seen. */
  const sizes: number[] = [];
  return {
    add(term, docNo, { count, ordinals, frequencies, lengths }) {
      if (dead.has(docNo) || count === 0) return;
      const postings = terms[term];
      if (postings === undefined) return;
      let slot = slotOf.get(docNo);
      if (slot === undefined) {
        slot = docNos.push(docNo) - 1;
        slotOf.set(docNo, slot);
        sizes.push(0);
      }
      makeRoom(postings);
      for (let at = 0, to = postings.count; at < count; at += 1, to += 1) {
        postings.slots[to] = slot;
        postings.ordinals[to] = ordinals[at] ?? 0;
        postings.frequencies[to] = frequencies[at] ?? 0;
        postings.lengths[to] = lengths[at] ?? 0;
      }
      postings.count += count;
      sizes[slot] = Math.max(sizes[slot] ?? 0, (ordinals[count - 1] ?? 0) + 1);
    },
    async finish(statistics, signal) {
      // Every chunk that was seen has a place in one array, its part's chunks side by side.
      const bases = new Uint32Array(sizes.length + 1);
      for (const [slot, size] of sizes.entries()) bases[slot + 1] = (bases[slot] ?? 0) + size;
      const scores = new Float64Array(bases[sizes.length] ?? 0);
      const turns = createTurns(maxPostingsPerTurn, signal);
      for (const [term, postings] of terms.entries()) {
        for (let from = 0; from < postings.count; from += maxPostingsPerTurn) {
          const to = Math.min(postings.count, from + maxPostingsPerTurn);
          addScores(scores, bases, { postings, from, to }, statistics, repeats[term] ?? 1);
          await turns.after(to - from);
        }
      }
      return scoresOf(scores, bases, docNos, slotOf);
    },
  };
}

/** Terms are added in the question's order, so that sums are the same to the last bit however postings are stored. */
function addScores(
  scores: Float64Array,
  bases: Uint32Array,
  { postings, from, to }: { readonly postings: Postings; readonly from: number; readonly to: number },
  { chunkCount, sumLength }: CollectionStatistics,
  repeats: number,
): void {
  const { count: found, slots, ordinals, frequencies, lengths } = postings;
  const rarity = repeats * Math.log(1 + (Math.max(chunkCount, found) - found + 0.5) / (found + 0.5));
  const meanLength = sumLength / Math.max(1, chunkCount);
  for (let at = from; at < to; at += 1) {
    const frequency = frequencies[at] ?? 0;
    const norm = bm25.k1 * (1 - bm25.b + (bm25.b * (lengths[at] ?? 0)) / meanLength);
    const place = (bases[slots[at] ?? 0] ?? 0) + (ordinals[at] ?? 0);
    scores[place] = (scores[place] ?? 0) + (rarity * frequency * (bm25.k1 + 1)) / (frequency + norm);
  }
}

function scoresOf(
  scores: Float64Array,
  bases: Uint32Array,
  docNos: readonly number[],
  slotOf: ReadonlyMap<number, number>,
): Bm25Scores {
  return {
    of(docNo, ordinal) {
      const slot = slotOf.get(docNo);
      if (slot === undefined) return 0;
      const place = (bases[slot] ?? 0) + ordinal;
      return place < (bases[slot + 1] ?? 0) ? (scores[place] ?? 0) : 0;
    },
    best(limit, maxTies, isAllowed = () => true) {
      const allowed = docNos.map(isAllowed);
      const threshold = leastOfBest(scores, bases, allowed, limit);
      const mostTies = limit + maxTies;
      const above: ScoredChunk[] = [];
      const ties: ScoredChunk[] = [];
      for (const [slot, docNo] of docNos.entries()) {
        if (allowed[slot] !== true) continue;
        const base = bases[slot] ?? 0;
        for (let place = base; place < (bases[slot + 1] ?? 0); place += 1) {
          const score = scores[place] ?? 0;
          if (score < threshold || score === 0) continue;
          (score === threshold ? ties : above).push({ docNo, ordinal: place - base, score });
        }
        // Chunks of one text can be as many as the tenant has. Those in front are known before all are seen.
        if (ties.length > 2 * mostTies) ties.sort(byScore).splice(mostTies);
      }
      const room = Math.max(0, limit - above.length) + maxTies;
      return [...above.sort(byScore), ...ties.sort(byScore).slice(0, room)];
    },
  };
}

function byScore(a: ScoredChunk, b: ScoredChunk): number {
  return b.score - a.score || a.docNo - b.docNo || a.ordinal - b.ordinal;
}

/** The `limit`-th best score, or 0 when there are fewer: a heap whose root is the least of the best. */
function leastOfBest(scores: Float64Array, bases: Uint32Array, allowed: readonly boolean[], limit: number): number {
  const heap = new Float64Array(limit);
  let size = 0;
  for (const [slot, isAllowed] of allowed.entries()) {
    if (!isAllowed) continue;
    for (let place = bases[slot] ?? 0; place < (bases[slot + 1] ?? 0); place += 1) {
      const score = scores[place] ?? 0;
      if (score === 0) continue;
      if (size < limit) {
        size += 1;
        siftUp(heap, size - 1, score);
      } else if (score > (heap[0] ?? 0)) siftDown(heap, size, score);
    }
  }
  return size < limit ? 0 : (heap[0] ?? 0);
}

function siftUp(heap: Float64Array, from: number, value: number): void {
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if ((heap[parent] ?? 0) <= value) break;
    heap[at] = heap[parent] ?? 0;
    at = parent;
  }
  heap[at] = value;
}

/** Puts `value` in the place of the root. */
function siftDown(heap: Float64Array, size: number, value: number): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child += 1;
    if ((heap[child] ?? 0) >= value) break;
    heap[at] = heap[child] ?? 0;
    at = child;
  }
  heap[at] = value;
}
