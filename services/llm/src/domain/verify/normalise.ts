/** A text as quotes are compared, each of its characters with the place in the source that it came from. */
export interface Normalised {
  readonly text: string;
  /** By character of `text`: where the source's character begins, in UTF-16 code units. */
  readonly starts: readonly number[];
  /** By character of `text`: where it ends (exclusive). */
  readonly ends: readonly number[];
}

const cluster = /\P{M}\p{M}*|\p{M}+/gsu;
/** What needs no looking at: nearly all there is in an English text, and in a Chinese one. */
const plain = /^[!-,.-_a-~\u4e00-\u9fff]$/;
const hyphens = new Set(['-', '\u2010', '\u2011', '\u00ad']);
const superscripts = /^[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]$/u;
const fractions = /^[\u00bc-\u00be\u2150-\u215e]$/u;
/** One spelling for the characters that typography has several of. */
const typography: readonly (readonly [RegExp, string])[] = [
  [/[\u2018\u2019\u201a\u201b\u2032\u02bc\u0060\u00b4]/gu, "'"],
  [/[\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u2039\u203a]/gu, '"'],
  [/[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/gu, '-'],
  [/\u2044/gu, '/'],
  [/\u03c2/gu, '\u03c3'],
  [/\u03bc/gu, '\u00b5'],
];

/**
 * Compatibility decomposition (NFKD: ligatures, widths, composed and decomposed letters become one), lower case, one blank
 * for any white space, one form of quotes and dashes, no soft hyphens or other characters that are not seen. A hyphen between
 * letters does not count, so that a word broken at a line's end is the word. An exponent keeps a mark: 10⁶ is not 106.
 */
export function normalise(source: string): Normalised {
  let text = '';
  // What is asked of the text so far is asked of its end: to look into the whole of it again and again would take the square of its length.
  let before = '';
  const starts: number[] = [];
  const ends: number[] = [];
  const add = (characters: string, start: number, end: number): void => {
    text += characters;
    before = (before + characters).slice(-lookedBack);
    for (let index = 0; index < characters.length; index += 1) {
      starts.push(start);
      ends.push(end);
    }
  };
  let skipTo = 0;
  for (const { 0: found, index } of source.matchAll(cluster)) {
    if (index < skipTo) continue;
    if (plain.test(found)) {
      add(found.toLowerCase(), index, index + 1);
      continue;
    }
    const end = index + found.length;
    if (hyphens.has(found)) {
      const after = joins(source, index, before);
      if (after !== undefined) {
        skipTo = after;
        continue;
      }
    }
    if (/^\p{Cf}/u.test(found)) continue;
    if (/^[\s\p{Cc}]/u.test(found)) {
      if (before !== '' && !before.endsWith(' ')) add(' ', index, end);
    } else add(fold(found, before), index, end);
  }
  return { text: text.trimEnd(), starts, ends };
}

/** Where to go on when a hyphen joins what stands around it: letters, with at most a line end between them. */
function joins(source: string, at: number, before: string): number | undefined {
  if (!/\p{L}\p{M}*$/u.test(before)) return undefined;
  const rest = source.slice(at + 1, at + 1 + maxJoinGap);
  const gap = /^[^\S\n]*\n\s*/u.exec(rest)?.[0] ?? (source[at] === '\u00ad' ? (/^\s*/u.exec(rest)?.[0] ?? '') : '');
  return /^\p{L}/u.test(rest.slice(gap.length)) ? at + 1 + gap.length : undefined;
}
const maxJoinGap = 64;
/** A letter with its marks. */
const lookedBack = 4;

function fold(found: string, before: string): string {
  const afterDigit = /\d$/u.test(before);
  let folded = found.normalize('NFKD').toLowerCase();
  for (const [pattern, plain] of typography) folded = folded.replace(pattern, plain);
  if (afterDigit && superscripts.test(found)) return `^${folded}`;
  if (afterDigit && fractions.test(found)) return ` ${folded}`;
  return folded;
}
