/** How a tenant's own index of vectors is laid out and judged: numbers alone. */

/** Lists of an index at most; a question is compared with the centroid of each. */
const maxLists = 2_048;
/** Vectors that a list has on average at least. */
const minChunksPerList = 32;
/** Vectors of one round of training, for each list. */
const sampledPerList = 20;

/** Of the neighbours of the questions that an index is measured by, so many stand in the lists that are read. */
export const targetRecall = 0.99;
/** An index by which more of the tenant's vectors are read than this is not worth it: reading all of them in a row is as fast. */
export const maxShareRead = 0.4;

/** Lists for so many chunks: twice the root, so that lists grow as their number does. */
export function listsFor(chunks: number): number {
  return Math.max(1, Math.min(maxLists, Math.floor(chunks / minChunksPerList), Math.round(2 * Math.sqrt(chunks))));
}

/** Vectors that a round of training looks at. */
export function sampleFor(lists: number): number {
  return lists * sampledPerList;
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
  /** Lists that are farther away than the nearest one by more than this are not read. */
  readonly margin: number;
  /** Of the tenant's vectors, the share that a search reads on average, by the sample. */
  readonly shareRead: number;
  readonly isUseful: boolean;
}

/** The smallest margin that leaves at most 1 of 100 neighbours out, and what it costs. */
export function judge(questions: readonly Measured[]): Judgement {
  const gaps = questions.flatMap(({ lists, nearest }) => {
    const byNumber = new Map(lists.map(({ listNo, distance }) => [listNo, distance]));
    const best = bestOf(lists);
    return nearest.map((listNo) => (byNumber.get(listNo) ?? Number.POSITIVE_INFINITY) - best);
  });
  gaps.sort((a, b) => a - b);
  const margin = Math.max(0, gaps[Math.ceil(targetRecall * gaps.length) - 1] ?? 0);
  const shares = questions.map(({ lists }) => {
    const best = bestOf(lists);
    const total = lists.reduce((sum, { sampled }) => sum + sampled, 0);
    const read = lists.reduce((sum, { distance, sampled }) => (distance <= best + margin ? sum + sampled : sum), 0);
    return total === 0 ? 1 : read / total;
  });
  const shareRead = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
  return { margin, shareRead, isUseful: gaps.length > 0 && Number.isFinite(margin) && shareRead <= maxShareRead };
}

function bestOf(lists: Measured['lists']): number {
  return lists.reduce((least, { distance }) => Math.min(least, distance), Number.POSITIVE_INFINITY);
}

/** Length of the noise that is added to a chunk's vector to make a question of it, in lengths of the vector. */
const noiseLength = 2;

/**
 * A question as hard as a person's: a chunk's own vector would find its neighbours too easily. With noise of twice its length
 * it lies as far from them as short questions do (cosine about 0.45). A new vector of length 1.
 */
export function questionOf(vector: Float32Array, random: () => number = Math.random): Float32Array {
  const noise = Float32Array.from(vector, () => random() + random() + random() - 1.5);
  const scale = (noiseLength * lengthOf(vector)) / (lengthOf(noise) || 1);
  const question = vector.map((value, at) => value + scale * (noise[at] ?? 0));
  const length = lengthOf(question) || 1;
  return question.map((value) => value / length);
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
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
