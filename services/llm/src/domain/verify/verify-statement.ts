import type { AnswerSource, ModelQuote } from '../../ports.ts';
import { maxQuotesOfStatement, maxStatementChars } from '../statement-bounds.ts';
import { citedBy, type Cited, stretchOf } from './cited.ts';
import { missingClaims, readClaims } from './claims.ts';
import { medicalNames, stemsOf } from './clinical-words.ts';
import { isCueWord, tokensOf } from './cues.ts';
import { findExchanges } from './neighbours.ts';
import { contradicts, readPolarities } from './negation.ts';
import { saysOpposite } from './opposites.ts';
import {
  findExact,
  findFuzzy,
  type FoundQuote,
  type LookupBudget,
  isOnPage,
  type ReadSource,
  readSource,
} from './quotes.ts';

export type { FoundQuote } from './quotes.ts';

/** Why a statement is not borne out. */
export type StatementProblem =
  | 'no-quote'
  | 'quote-not-found'
  | 'wrong-source'
  | 'wrong-page'
  | 'number-not-in-source'
  | 'date-not-in-source'
  | 'negation-differs'
  | 'not-borne-out';

/** What was found out about a statement. Borne out when there is no problem. */
export interface Verdict {
  readonly problems: readonly StatementProblem[];
  /** The places that bear it out, or that it should have named. */
  readonly quotes: readonly FoundQuote[];
}

/** Checks statements against the sources of one answer. Pure; what it does for one answer is bounded. */
export interface Verifier {
  verify(statement: { readonly text: string; readonly quotes: readonly ModelQuote[] }): Verdict;
}

/**
 * Least share of a statement's content words that what it cites holds, the sentences around it and the title counting half.
 * Chosen with scripts/measure-verifier.ts; the README has the figures.
 */
const minOverlap = 0.5;
const nearbyWorth = 0.5;
/** Least share that the cited sentences themselves hold: what only stands around is not what was cited. */
const minOwnOverlap = 1 / 3;
/** Places of one statement; a quote with an ellipsis has several. Those beyond are as if they were not found. */
export const maxPlacesOfStatement = 16;
/** Steps of lookups in one answer: a hundred fuzzy ones of ordinary length, and about half a second at worst. */
const maxLookupSteps = 100_000_000;
/** Words that say that something is said. */
const framing = new Set(
  'record records note notes noted report reports reported state states stated mention mentioned indicate indicated source evidence ruled out absence lack'.split(
    ' ',
  ),
);

export function createVerifier(sources: readonly AnswerSource[]): Verifier {
  const reads = sources.map(readSource);
  const budget: LookupBudget = { steps: maxLookupSteps };
  return { verify: (statement) => verify(statement, reads, budget) };
}

function verify(
  { text, quotes: claimed }: { readonly text: string; readonly quotes: readonly ModelQuote[] },
  reads: readonly ReadSource[],
  budget: LookupBudget,
): Verdict {
  const problems = new Set<StatementProblem>();
  const quotes: FoundQuote[] = [];
  const terms = contentOf(text.slice(0, maxStatementChars));
  if (claimed.length === 0) problems.add('no-quote');
  if (claimed.length > maxQuotesOfStatement) problems.add('quote-not-found');
  const contentAt = createContents(reads);
  for (const quote of claimed.slice(0, maxQuotesOfStatement)) {
    const { places, problem } = look(quote, reads, budget);
    if (problem !== undefined) problems.add(problem);
    if (quotes.length + places.length > maxPlacesOfStatement) {
      problems.add('quote-not-found');
      break;
    }
    quotes.push(...places.flatMap((alternatives) => bestPlace(alternatives, terms, contentAt) ?? []));
  }
  if (text.length > maxStatementChars) problems.add('not-borne-out');
  else if (quotes.length > 0) for (const problem of compare(text, terms, citedBy(quotes, reads))) problems.add(problem);
  return { problems: [...problems], quotes };
}

/** Looks a quote up where the model says it stands, on its page, and if it is not there, everywhere else while that is bounded. */
function look(
  { sourceNumber, quote, page }: ModelQuote,
  reads: readonly ReadSource[],
  budget: LookupBudget,
): { places: readonly (readonly FoundQuote[])[]; problem?: StatementProblem } {
  const named = reads.find(({ source }) => source.number === sourceNumber);
  let places = named ? findExact(quote, named, budget) : [];
  if (named && places.length === 0) {
    const fuzzy = findFuzzy(quote, named, budget);
    if (fuzzy) places = [[fuzzy]];
  }
  if (places.length === 0) {
    for (const other of reads) {
      // Where it stands instead is a hint for the reader; that it is not where it was said to be is known already.
      if (budget.steps < 0) break;
      const found = other === named ? [] : findExact(quote, other, budget);
      if (found.length > 0) return { places: found, problem: 'wrong-source' };
    }
    return { places, problem: 'quote-not-found' };
  }
  if (page === undefined) return { places };
  const onPage = places.map((alternatives) => alternatives.filter((found) => isOnPage(found, page)));
  return onPage.every((alternatives) => alternatives.length > 0)
    ? { places: onPage }
    : { places, problem: 'wrong-page' };
}

/** Of the places where the same words stand, the one whose sentence has most of the statement's words. */
function bestPlace(
  places: readonly FoundQuote[],
  terms: ReadonlySet<string>,
  contentAt: (place: FoundQuote) => ReadonlySet<string>,
): FoundQuote | undefined {
  let [best, bestShare]: [FoundQuote | undefined, number] = [places[0], -1];
  if (places.length < 2) return best;
  for (const place of places) {
    const words = contentAt(place);
    const share = [...terms].filter((term) => words.has(term)).length;
    if (share > bestShare) [best, bestShare] = [place, share];
  }
  return best;
}

/** The content words of the sentences that a place stands in, read once for one statement. */
function createContents(reads: readonly ReadSource[]): (place: FoundQuote) => ReadonlySet<string> {
  const known = new Map<string, ReadonlySet<string>>();
  return (place) => {
    const { start, end } = stretchOf(place, reads);
    const key = `${String(reads.findIndex(({ source }) => source === place.source))} ${String(start)} ${String(end)}`;
    const words = known.get(key) ?? contentOf(place.source.text.slice(start, end));
    known.set(key, words);
    return words;
  };
}

/** Whether the cited sentences say what the statement says. */
function* compare(statement: string, terms: ReadonlySet<string>, cited: Cited): Generator<StatementProblem> {
  const { number, date } = missingClaims(statement, readClaims(cited.text), cited.names);
  const exchanged = findExchanges(statement, cited.text);
  if (number || exchanged.number) yield 'number-not-in-source';
  if (date) yield 'date-not-in-source';
  if (
    exchanged.negation ||
    contradicts(readPolarities(statement), readPolarities(cited.text)) ||
    saysOpposite(statement, cited.text)
  ) {
    yield 'negation-differs';
  }
  const [words, around] = [contentOf(cited.text), contentOf(cited.nearby)];
  let [own, near] = [0, 0];
  for (const term of terms) {
    if (words.has(term)) own += 1;
    else if (around.has(term)) near += 1;
  }
  const isHeld = own >= terms.size * minOwnOverlap && own + near * nearbyWorth >= terms.size * minOverlap;
  const isForeign = medicalNames(statement).some((name) => !cited.words.has(name));
  if (terms.size === 0 || !isHeld || isForeign) yield 'not-borne-out';
}

/** Stems of a text's words: without numbers, negations, and words that only say that something is said. */
function contentOf(text: string): ReadonlySet<string> {
  const words = tokensOf(text).filter(({ isWord, text: word }) => isWord && !isCueWord(word) && !framing.has(word));
  return new Set(words.flatMap(({ text: word }) => stemsOf(word).map(([stem]) => stem)));
}
