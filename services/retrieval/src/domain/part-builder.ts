import { termsOf } from './analyse.ts';
import { encodePart, maxPartChunks, type PartPlace } from './postings.ts';

/** A part, ready to be written. */
export interface BuiltPart {
  readonly chunkCount: number;
  /** Terms of all its chunks. */
  readonly sumLength: number;
  readonly postings: Buffer;
}

/** Gathers chunks until they are a part. */
export interface PartBuilder {
  readonly chunkCount: number;
  readonly isFull: boolean;
  /** The next chunk, by its searchable text; the empty text for one that cannot be read. */
  add(text: string): void;
  /** The part, and the builder begins the next one. */
  take(place: PartPlace): BuiltPart;
}

/** `blind` gives the term of a word. Each word of a part is blinded once. */
export function createPartBuilder(blind: (word: string) => bigint): PartBuilder {
  let lengths: number[] = [];
  let occurrences = new Map<string, [ordinal: number, frequency: number][]>();
  return {
    get chunkCount() {
      return lengths.length;
    },
    get isFull() {
      return lengths.length >= maxPartChunks;
    },
    add(text) {
      const words = termsOf(text);
      const ordinal = lengths.push(words.length) - 1;
      for (const word of words) {
        const known = occurrences.get(word);
        const last = known?.at(-1);
        if (last?.[0] === ordinal) last[1] += 1;
        else if (known !== undefined) known.push([ordinal, 1]);
        else occurrences.set(word, [[ordinal, 1]]);
      }
    },
    take(place) {
      const terms = new Map([...occurrences].map(([word, found]) => [blind(word), found] as const));
      const part = {
        chunkCount: lengths.length,
        sumLength: lengths.reduce((sum, length) => sum + length, 0),
        postings: encodePart(place, lengths, terms),
      };
      lengths = [];
      occurrences = new Map();
      return part;
    },
  };
}
