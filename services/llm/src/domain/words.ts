/** Words of a text as they are compared. */

/** One form and width of each letter and digit (NFKC), in lower case. */
export function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

/** Runs of letters and digits, folded, in order, with repetition. */
export function wordsIn(text: string): string[] {
  return fold(text).match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** A word with its marks, or a number whole: 2.5 and 120/80. */
export const wordOrNumber = /[\p{L}\p{M}\p{N}]+(?:[.,/]\p{N}+)*/gu;
