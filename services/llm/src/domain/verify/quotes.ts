import search from 'approx-string-match';
import { placeOf } from '../places.ts';
import { type Stretch, splitSentences } from '../sentences.ts';
import { maxQuoteChars } from '../statement-bounds.ts';
import type { AnswerSource } from '../../ports.ts';
import { termsOf } from '../terms.ts';
import { readClaims } from './claims.ts';
import { type Normalised, normalise } from './normalise.ts';
import { sameClaims } from './same-claims.ts';

/** A quote that stands in a source: `source.text.slice(start, end)`. */
export interface FoundQuote {
  readonly source: AnswerSource;
  readonly start: number;
  readonly end: number;
  readonly match: 'exact' | 'fuzzy';
  /** 1 less the share of the quote's characters that have to be edited; 1 when exact. */
  readonly similarity: number;
}

/** A source that quotes are looked up in, read when it is first needed. */
export interface ReadSource {
  readonly source: AnswerSource;
  readonly normal: () => Normalised;
  readonly sentences: () => readonly Stretch[];
  /** Stems of the words of its text and title. */
  readonly words: () => ReadonlySet<string>;
  /** Names in it that hold a number. */
  readonly names: () => ReadonlySet<string>;
}

/** Least similarity of a quote that is not exact. Chosen with scripts/measure-verifier.ts; the README has the figures. */
const minSimilarity = 0.85;
/** Quotes below this many characters are found exactly or not at all: a few edits would make any short text any other. */
const minFuzzyChars = 20;
/** Longer ones are too. */
const maxFuzzyChars = 400;
/** Parts of one quote between its ellipses; one with more is not found. */
export const maxPartsOfQuote = 4;
/** Places of one quote that are looked at. */
const maxPlaces = 16;
/** Places in one source at which a quote is only a part of other words, or stands before the part that it follows. */
const maxPassedOver = 256;
/** How far a place that is nearly a quote grows on either side, to whole words: a text without blanks is no word. */
const maxGrownChars = 200;

export function readSource(source: AnswerSource): ReadSource {
  const told = `${source.title}\n${source.text}`;
  return {
    source,
    normal: once(() => normalise(source.text)),
    sentences: once(() => splitSentences(source.text)),
    words: once(() => new Set(termsOf(told))),
    names: once(() => new Set(readClaims(told).names)),
  };
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

/**
 * Work that lookups may still do, in steps of about five nanoseconds. A fuzzy lookup is charged what it takes at worst, when the
 * quote nearly stands at every place of the source: source characters times quote characters times words of 32 quote characters.
 */
export interface LookupBudget {
  steps: number;
}
/** To find where a place begins that is nearly a quote, beside what was charged for the lookup: there may be one at every character. */
const stepsOfMatch = 1_500;
/** To see whether a place stands alone. */
const stepsOfPlace = 200;
/** To compare what two short texts claim, and a character more of them. */
const stepsOfClaims = 100_000;
const stepsOfClaimedChar = 250;

/**
 * The places of a quote in a source, for each of its parts: a quote with an ellipsis has several, which have to stand in
 * their order. Empty when one of them is not there.
 */
export function findExact(quote: string, read: ReadSource, budget: LookupBudget): readonly (readonly FoundQuote[])[] {
  if (quote.length > maxQuoteChars) return [];
  const given = normalise(quote).text;
  const whole = trimQuote(given);
  if (whole === '') return [];
  budget.steps -= read.normal().text.length;
  for (const words of new Set([given, whole])) {
    const places = occurrences(words, read, 0, budget);
    if (places.length > 0) return [places];
  }
  const parts = whole.split(ellipsis, maxPartsOfQuote + 1).map(trimQuote);
  if (parts.length < 2 || parts.length > maxPartsOfQuote || parts.some((part) => !part.includes(' '))) return [];
  const found: FoundQuote[][] = [];
  let from = 0;
  for (const part of parts) {
    const [next] = occurrences(part, read, from, budget);
    if (!next) return [];
    found.push([next]);
    from = next.end;
  }
  return found;
}

/** The best place of a quote that nearly stands in a source, with the same numbers, dates, negations and opposites. */
export function findFuzzy(quote: string, read: ReadSource, budget: LookupBudget): FoundQuote | undefined {
  const pattern = quote.length > maxFuzzyChars ? '' : trimQuote(normalise(quote).text);
  if (pattern.length < minFuzzyChars) return undefined;
  const { text, starts, ends } = read.normal();
  budget.steps -= text.length * pattern.length * Math.ceil(pattern.length / 32);
  if (budget.steps < 0) return undefined;
  const maxErrors = Math.floor(pattern.length * (1 - minSimilarity));
  const matches = search(text, pattern, maxErrors);
  budget.steps -= stepsOfMatch * matches.length;
  const seen = new Set<string>();
  for (const match of matches.slice(0, maxPlaces)) {
    const [from, to] = wholeWords(text, match.start, match.end);
    const place = `${String(from)} ${String(to)}`;
    if (seen.has(place) || isInside(text, from) || isInside(text, to)) continue;
    seen.add(place);
    budget.steps -= stepsOfClaims + stepsOfClaimedChar * (to - from);
    if (budget.steps < 0) return undefined;
    const [start, end] = [starts[from] ?? 0, ends[to - 1] ?? 0];
    const similarity = 1 - match.errors / pattern.length;
    if (end > start && sameClaims(quote, read.source.text.slice(start, end))) {
      return { source: read.source, start, end, match: 'fuzzy', similarity };
    }
  }
  return undefined;
}

/** Whether a found quote stands on a page, in part at least. */
export function isOnPage({ source, start, end }: FoundQuote, page: number): boolean {
  const { pageStart, pageEnd } = placeOf(source, start, end);
  return pageStart <= page && page <= pageEnd;
}

const ellipsis = /\s*(?:\[\s*\.{3}\s*\]|\(\s*\.{3}\s*\)|\.{3,})\s*/u;

/** Without quotation marks around it and the marks that end a sentence, which a quote may have where its source goes on. */
function trimQuote(quote: string): string {
  const trimmed = quote.replace(/^(?:["'\s,;:]|[.-](?!\d))+/u, '').replace(/(?<!["'\s.,;:-])["'\s.,;:-]+$/u, '');
  return /[\p{L}\p{N}]/u.test(trimmed) ? trimmed : '';
}

function occurrences(needle: string, read: ReadSource, from: number, budget: LookupBudget): FoundQuote[] {
  const { text, starts, ends } = read.normal();
  const found: FoundQuote[] = [];
  let passedOver = 0;
  for (let at = text.indexOf(needle); at !== -1 && found.length < maxPlaces; at = text.indexOf(needle, at + 1)) {
    budget.steps -= stepsOfPlace;
    const last = at + needle.length;
    const [start, end] = [starts[at] ?? 0, ends[last - 1] ?? 0];
    if (start >= from && standsAlone(text, at, last)) {
      found.push({ source: read.source, start, end, match: 'exact', similarity: 1 });
    } else if ((passedOver += 1) === maxPassedOver) break;
  }
  return found;
}

/** Whether a stretch begins and ends with whole words and numbers: "5 mg" does not stand in "25 mg" or "2.5 mg". */
function standsAlone(text: string, start: number, end: number): boolean {
  const [before, after] = [text.slice(Math.max(0, start - 2), start), text.slice(end, end + 2)];
  const [first, last] = [text[start] ?? '', text[end - 1] ?? ''];
  if (/[\p{L}\p{N}]/u.test(first) && /[\p{L}\p{N}^]$/u.test(before)) return false;
  if (/[\p{L}\p{N}]/u.test(last) && /^[\p{L}\p{M}\p{N}^]/u.test(after)) return false;
  if (/\d/.test(first) && /\d[.,]$/.test(before)) return false;
  return !(/\d/.test(last) && /^[.,]\d/.test(after));
}

function wholeWords(text: string, start: number, end: number): [number, number] {
  let [from, to] = [start, end];
  while (from > Math.max(0, start - maxGrownChars) && isInside(text, from)) from -= 1;
  while (to < Math.min(text.length, end + maxGrownChars) && isInside(text, to)) to += 1;
  return [from, to];
}

/** Whether a place is in the middle of a word or of a number with its decimals. */
function isInside(text: string, at: number): boolean {
  const [before, after] = [text[at - 1] ?? '', text[at] ?? ''];
  if (/[\p{L}\p{M}\p{N}]/u.test(before) && /[\p{L}\p{M}\p{N}]/u.test(after)) return true;
  if (/\d/.test(before) && /[.,]/.test(after)) return /\d/.test(text[at + 1] ?? '');
  return /[.,]/.test(before) && /\d/.test(after) && /\d/.test(text[at - 2] ?? '');
}
