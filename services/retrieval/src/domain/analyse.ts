/** From text to the terms of keyword search: one analysis for what is indexed and for what is asked. */
import { stemmer } from 'stemmer';
import { isDrugName, stopWords } from './word-lists.ts';

/** A title longer than this would outweigh the chunk. */
const maxTitleChars = 160;
/** A "word" beyond this is an encoded blob or a sequence; its beginning tells as much of it. */
const maxTermChars = 64;
/** A chain of more is a drawn line or a sequence: its parts are words, the whole is none. */
const maxHyphenParts = 6;

/** Letters and digits, joined by single hyphens, dots and apostrophes, or by a comma between digits. */
const token = /[\p{L}\p{M}\p{N}]+(?:(?:[-.']|(?<=\p{N}),(?=\p{N}))[\p{L}\p{M}\p{N}]+)*/gu;
/** Scripts that are written without blanks between words: their words are taken as pairs of neighbouring characters. */
const unspaced = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
const number = /^\p{N}+(?:[.,]\p{N}+)*$/u;
/** 20mg, 0.5ml, 10mmol. */
const dose = /^(\p{N}+(?:[.,]\p{N}+)*)(\p{L}{1,5})$/u;
/** b.i.d, q.h.s, e.g. */
const abbreviation = /^\p{L}(?:\.\p{L})+$/u;
/** ICD-10 below its category: e11.9, m54.50. */
const icdCode = /^([a-z]\d[0-9a-z])\.[0-9a-z]{1,4}$/;
const englishWord = /^[a-z]+$/;

/**
 * The text by which a chunk is found: its document's title before its own words, because a chunk from the middle of a
 * document seldom names what the document is about. (The vectors are made of the same two.)
 */
export function searchableText(title: string, text: string): string {
  const heading = title.trim().slice(0, maxTitleChars).toWellFormed();
  return heading === '' || text.startsWith(heading) ? text : `${heading}\n${text}`;
}

/**
 * The terms of a text, in order and as often as they stand there: normalised (NFKC), in lower case, without stop words,
 * English words without their endings (Porter). Kept whole are numbers, doses, codes, dotted abbreviations, drug names and hyphenated
 * terms; a hyphenated term, a dose and a code also yield their parts, so that "COVID-19" is found by "covid", and "20mg" by "20 mg".
 */
export function termsOf(text: string): string[] {
  const terms: string[] = [];
  for (const [found] of normalised(text).matchAll(token)) {
    if (unspaced.test(found)) terms.push(...pairsIn(found));
    else if (found.includes('-')) terms.push(...hyphenated(found));
    else terms.push(...unhyphenated(found));
  }
  return terms.map((term) => (term.length > maxTermChars ? term.slice(0, maxTermChars) : term));
}

/** One spelling of what is written in several: widths, ligatures, case, hyphens, apostrophes; no soft hyphens. */
function normalised(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u00ad\u200b-\u200d]/g, '')
    .replace(/[\u2010-\u2013\u2212]/g, '-')
    .replace(/[\u2018\u2019]/g, "'");
}

function hyphenated(found: string): string[] {
  const parts = found.split('-').flatMap(unhyphenated);
  return found.split('-').length > maxHyphenParts ? parts : [found, ...parts];
}

function unhyphenated(found: string): string[] {
  if (found.includes("'")) return apostrophed(found);
  if (number.test(found)) return [found];
  const dosed = dose.exec(found);
  if (dosed !== null) return [found, dosed[1] ?? '', dosed[2] ?? ''];
  if (abbreviation.test(found)) return [found, found.replaceAll('.', '')];
  const code = icdCode.exec(found);
  if (code !== null) return [found, code[1] ?? ''];
  // A full stop without a blank after it, a file's name.
  if (/[.,]/.test(found)) return found.split(/[.,]/).flatMap(unhyphenated);
  return wordTerms(found);
}

/** "Crohn's" is "Crohn"; "O'Brien" is a name, and found by "Brien" too. */
function apostrophed(found: string): string[] {
  if (/^[^']+'s$/.test(found)) return unhyphenated(found.slice(0, -2));
  if (stopWords.has(found)) return [];
  const parts = found.split("'").filter((part) => part.length > 2);
  return [found, ...parts.flatMap(unhyphenated)];
}

function wordTerms(word: string): string[] {
  if (stopWords.has(word)) return [];
  return [englishWord.test(word) && !isDrugName(word) ? stemmer(word) : word];
}

function pairsIn(found: string): string[] {
  const characters = [...found].filter((character) => /[\p{L}\p{M}\p{N}]/u.test(character));
  if (characters.length < 2) return characters;
  return characters.slice(1).map((character, at) => `${characters[at] ?? ''}${character}`);
}
