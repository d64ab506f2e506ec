/** Words and tokens, as the double counts them. */

const wordPattern = /[\p{L}\p{N}]+/gu;

/** The words of a text in lower case. */
export function wordsOf(text: string): string[] {
  return text.normalize('NFKC').toLowerCase().match(wordPattern) ?? [];
}

/** A token for every four characters, at least one for a text that is not empty: near enough to bound and to bill by. */
export function countTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

/** How many of the words are among those of the text, 0 to 1. */
export function overlap(words: ReadonlySet<string>, text: string): number {
  if (words.size === 0) return 0;
  const there = new Set(wordsOf(text));
  let shared = 0;
  for (const word of words) if (there.has(word)) shared += 1;
  return shared / words.size;
}
