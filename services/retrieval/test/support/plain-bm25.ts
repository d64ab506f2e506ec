/** BM25 as a textbook writes it, over clear words in memory: what keyword search over blind terms is held against. */
import { termsOf } from '../../src/domain/analyse.ts';

/** A chunk with its clear searchable text. */
export interface ClearChunk {
  readonly documentId: string;
  readonly ordinal: number;
  readonly text: string;
}

export interface ClearHit {
  readonly documentId: string;
  readonly ordinal: number;
  readonly score: number;
}

/** Every chunk that has a word of the question, best first; equal ones by document and position. */
export function plainBm25(
  chunks: readonly ClearChunk[],
  question: string,
  { k1, b }: { readonly k1: number; readonly b: number },
): ClearHit[] {
  const documents = chunks.map((chunk) => termsOf(chunk.text));
  const averageLength = documents.reduce((sum, words) => sum + words.length, 0) / documents.length;
  const asked = termsOf(question);
  const frequencies = new Map(
    [...new Set(asked)].map((word) => [word, documents.filter((other) => other.includes(word)).length]),
  );
  const hits = chunks.map(({ documentId, ordinal }, at) => {
    const words = documents[at] ?? [];
    let score = 0;
    for (const [word, df] of frequencies) {
      const tf = words.filter((other) => other === word).length;
      if (tf === 0) continue;
      const idf = Math.log(1 + (documents.length - df + 0.5) / (df + 0.5));
      const repeats = asked.filter((other) => other === word).length;
      score += (repeats * idf * tf * (k1 + 1)) / (tf + k1 * (1 - b + (b * words.length) / averageLength));
    }
    return { documentId, ordinal, score };
  });
  return hits
    .filter(({ score }) => score > 0)
    .sort(
      (x, y) =>
        y.score - x.score ||
        (x.documentId < y.documentId ? -1 : x.documentId > y.documentId ? 1 : 0) ||
        x.ordinal - y.ordinal,
    );
}

/** Numbers from 0 to below 1 that follow from a seed. */
export function seededRandom(seed: number): () => number {
  let state = (seed + 1) * 0x9e3779b1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const stems = `cardi hepat neur derm gastr nephr oste path ren pulmon vascul thromb hem cyt angi arthr bronch encephal lapar mamm`;
const endings = `itis osis ectomy ology algia opathy emia gram plasty scope`;
const vocabulary = [
  ...stems.split(' ').flatMap((stem) => endings.split(' ').map((ending) => `${stem}${ending}`)),
  ...'covid-19 e11.9 500mg b.i.d. metformin t-cell 140/90 hba1c sars-cov-2 o’brien pain fever no knee'.split(' '),
];

/** Text of `words` words, a few of which are common and most rare, as in language. */
export function clearText(random: () => number, words: number): string {
  return Array.from({ length: words }, () => {
    const rank = Math.floor(vocabulary.length ** random()) - 1;
    return vocabulary[rank] ?? 'pain';
  }).join(' ');
}
