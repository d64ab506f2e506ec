/** How a tenant's own index of vectors is laid out and judged: numbers alone. */

/** Lists of an index at most; a question is compared with the centroid of each. */
const maxLists = 2_048;
/** Vectors that a list has on average at least. */
const minChunksPerList = 32;
/** Vectors that a training looks at, for each list; more make no better lists. */
const trainedPerList = 60;
/** Vectors of one step of it, for each list at most. */
const trainedPerListAndStep = 10;
/** Comparisons of a vector with a centroid that one transaction makes: about half a second on a quiet machine. */
const maxComparisonsPerStep = 2_000_000;

/** Of the neighbours of the questions that an index is measured by, so many stand in the lists that are read. */
const targetRecall = 0.99;
/** An index by which more of the tenant's vectors are read than this is not worth it: reading all of them in a row is as fast. */
export const maxShareRead = 0.4;

/** Lists for so many chunks: twice the root, so that lists grow as their number does. */
export function listsFor(chunks: number): number {
  return Math.max(1, Math.min(maxLists, Math.floor(chunks / minChunksPerList), Math.round(2 * Math.sqrt(chunks))));
}

/** Vectors that one transaction compares with all of so many lists. */
export function vectorsPerStep(lists: number): number {
  return Math.ceil(maxComparisonsPerStep / lists);
}

/** Vectors that the next step of a training looks at, which has looked at so many; 0 when it is over. */
export function trainingStep(lists: number, trained: number): number {
  if (trained >= lists * trainedPerList) return 0;
  return Math.min(vectorsPerStep(lists), lists * trainedPerListAndStep);
}

/** Whether an index that was made for so many chunks is still good for as many as there are now. */
export function isOutgrown(madeFor: number, chunks: number): boolean {
  return chunks >= 2 * madeFor;
}

/** What one question showed. Distances are cosine distances. */
export interface Measured {
  /** Of every list: from the question to its centroid, and how many sampled vectors it has. */
  readonly lists: readonly { readonly listNo: string; readonly distance: number; readonly sampled: number }[];
  /** The lists that the question's nearest chunks are in. */
  readonly nearest: readonly string[];
}

export interface Judgement {
  /**
   * Lists are read whose similarity to the question is less than that of the nearest one by at most this share of it. A share,
   * because a question that is far from everything is about equally far from everything.
   */
  readonly margin: number;
  /** Of the tenant's vectors, the share that a search reads on average, by the sample. */
  readonly shareRead: number;
  readonly isUseful: boolean;
}

/** The smallest margin that leaves at most 1 of 100 neighbours out, and what it costs. */
export function judge(questions: readonly Measured[]): Judgement {
  const fallenBehind = questions.flatMap(({ lists, nearest }) => {
    const behind = new Map(behindBest(lists).map(({ listNo, share }) => [listNo, share]));
    return nearest.map((listNo) => behind.get(listNo) ?? Number.POSITIVE_INFINITY);
  });
  fallenBehind.sort((a, b) => a - b);
  const margin = fallenBehind[Math.ceil(targetRecall * fallenBehind.length) - 1] ?? Number.POSITIVE_INFINITY;
  const shares = questions.map(({ lists }) => {
    const total = lists.reduce((sum, { sampled }) => sum + sampled, 0);
    const read = behindBest(lists).reduce((sum, { share, sampled }) => (share <= margin ? sum + sampled : sum), 0);
    return total === 0 ? 1 : read / total;
  });
  const shareRead = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
  return { margin, shareRead, isUseful: Number.isFinite(margin) && shareRead <= maxShareRead };
}

/** Of each list, the share of the nearest one's similarity by which its own is less. */
function behindBest(lists: Measured['lists']) {
  const best = lists.reduce((least, { distance }) => Math.min(least, distance), Number.POSITIVE_INFINITY);
  const similarity = Math.max(Number.EPSILON, Math.abs(1 - best));
  return lists.map(({ listNo, distance, sampled }) => ({ listNo, sampled, share: (distance - best) / similarity }));
}

/**
 * Lengths of the noise that is added to chunks' vectors to make questions of them, in lengths of the vector: a chunk's own vector
 * would find its neighbours too easily, and with twice its length of noise it is as far from them as short questions are.
 */
const noiseLengths = [0, 1, 2] as const;

/** Questions as near and as far as people's, made of chunks' vectors. New vectors of length 1. */
export function questionsOf(vectors: readonly Float32Array[], random: () => number = Math.random): Float32Array[] {
  return vectors.map((vector, at) => {
    const noise = unit(Float32Array.from(vector, () => random() + random() + random() - 1.5));
    const length = noiseLengths[at % noiseLengths.length] ?? 0;
    return unit(unit(vector).map((value, place) => value + length * (noise[place] ?? 0)));
  });
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)) || 1;
  return vector.map((value) => value / length);
}

/** Inclusive. */
export interface ListRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** One past the last number that a list can have. */
const listNumbersEnd = 2n ** 63n - 1n;

/** Every list number from 1 that is in none of the ranges, which do not overlap. */
export function gapsBetween(ranges: readonly ListRange[]): ListRange[] {
  const gaps: ListRange[] = [];
  let next = 1n;
  for (const { first, last } of [...ranges].sort((a, b) => (a.first < b.first ? -1 : 1))) {
    if (first > next) gaps.push({ first: next, last: first - 1n });
    next = last + 1n;
  }
  gaps.push({ first: next, last: listNumbersEnd });
  return gaps;
}
