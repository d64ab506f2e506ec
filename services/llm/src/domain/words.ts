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

/** Decimal digits of any script as those of ASCII (NFKC knows only those of other widths), with the marks of Arabic numbers. */
export function plainDigits(text: string): string {
  return text
    .replaceAll(/(?!\d)\p{Nd}/gu, (found) => String(digitOf(found.codePointAt(0) ?? 0)))
    .replaceAll(/(?<=\d)[\u066b\u066c](?=\d)/gu, (found) => (found === '\u066b' ? '.' : ','))
    .replaceAll('\u066a', '%');
}

/** Digits come in runs of ten, in their order. */
function digitOf(code: number): number {
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return (code - zero) % 10;
}
