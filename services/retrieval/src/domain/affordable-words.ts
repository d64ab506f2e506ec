/** Which words of a question are looked up: reading all postings of any number of words would cost whatever the asker likes. */

export interface ReadingBounds {
  /** Words that have postings. */
  readonly maxWords: number;
  /** Bytes of the postings of all words together. */
  readonly maxBytes: number;
}

/**
 * The words whose postings are read, in the question's order. The costliest words go first: they are those that stand in the
 * most chunks, and tell the least of any of them. `bytesOf` says what a word costs; what costs nothing always stays.
 */
export function affordableWords(
  words: readonly string[],
  bytesOf: ReadonlyMap<string, number>,
  { maxWords, maxBytes }: ReadingBounds,
): string[] {
  const cost = (word: string): number => bytesOf.get(word) ?? 0;
  const costly = words.filter((word) => cost(word) > 0).sort((a, b) => cost(a) - cost(b));
  const leftOut = new Set(costly.slice(maxWords));
  let bytes = 0;
  for (const word of costly.slice(0, maxWords)) {
    bytes += cost(word);
    if (bytes > maxBytes) leftOut.add(word);
  }
  return words.filter((word) => !leftOut.has(word));
}
