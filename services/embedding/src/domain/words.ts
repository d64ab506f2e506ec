import { stemmer } from 'stemmer';

/** Scripts that are written without blanks between words: their words are taken as pairs of neighbouring characters. */
const unspaced = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
const run = /[\p{L}\p{M}\p{N}]+/gu;
const asciiWord = /^[a-z]+$/;
/** A "word" beyond this is an encoded blob or a sequence; its beginning tells as much of it. */
const maxWordLength = 64;

/** The words of a text, normalised (NFKC) and in lower case, in order. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const [found] of text.normalize('NFKC').toLowerCase().matchAll(run)) {
    if (unspaced.test(found)) words.push(...pairs(found));
    else words.push(found.length > maxWordLength ? found.slice(0, maxWordLength) : found);
  }
  return words;
}

/** The word without its English ending (Porter's stemmer); other scripts and numbers stay as they are. */
export function stemOf(word: string): string {
  return asciiWord.test(word) ? stemmer(word) : word;
}

function pairs(text: string): string[] {
  const characters = [...text];
  if (characters.length < 2) return characters;
  return characters.slice(1).map((character, index) => `${characters[index] ?? ''}${character}`);
}
