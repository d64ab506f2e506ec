import type { AnswerSource, ModelQuote } from '../../ports.ts';
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
  type FuzzyBudget,
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
/** Longer statements are not borne out: nobody could check them either. */
export const maxStatementChars = 4_000;
/** Quotes of one statement that are looked at; the others are as if they were not found. */
const maxQuotes = 16;
/** Steps of fuzzy lookups in one answer: a hundred of ordinary length, and about half a second at worst. */
const maxFuzzySteps = 100_000_000;
/** Words that say that something is said. */
const framing = new Set(
  'record records note notes noted report reports reported state states stated mention mentioned indicate indicated source evidence ruled out absence lack'.split(
    ' ',
  ),
);

export function createVerifier(sources: readonly AnswerSource[]): Verifier {
  const reads = sources.map(readSource);
  const budget: FuzzyBudget = { steps: maxFuzzySteps };
  return { verify: (statement) => verify(statement, reads, budget) };
}

function verify(
  { text, quotes: claimed }: { readonly text: string; readonly quotes: readonly ModelQuote[] },
  reads: readonly ReadSource[],
  budget: FuzzyBudget,
): Verdict {
  const problems = new Set<StatementProblem>();
  const quotes: FoundQuote[] = [];
  const terms = contentOf(text.slice(0, maxStatementChars));
  if (claimed.length === 0) problems.add('no-quote');
  if (claimed.length > maxQuotes) problems.add('quote-not-found');
  for (const quote of claimed.slice(0, maxQuotes)) {
    const { places, problem } = look(quote, reads, budget);
    if (problem !== undefined) problems.add(problem);
    quotes.push(...places.flatMap((alternatives) => bestPlace(alternatives, terms, reads) ?? []));
  }
  if (text.length > maxStatementChars) problems.add('not-borne-out');
  else if (quotes.length > 0) for (const problem of compare(text, terms, citedBy(quotes, reads))) problems.add(problem);
  return { problems: [...problems], quotes };
}

/** Looks a quote up where the model says it stands, on its page, and if it is not there, everywhere else. */
function look(
  { sourceNumber, quote, page }: ModelQuote,
  reads: readonly ReadSource[],
  budget: FuzzyBudget,
): { places: readonly (readonly FoundQuote[])[]; problem?: StatementProblem } {
  const named = reads.find(({ source }) => source.number === sourceNumber);
  let places = named ? findExact(quote, named) : [];
  if (named && places.length === 0) {
    const fuzzy = findFuzzy(quote, named, budget);
    if (fuzzy) places = [[fuzzy]];
  }
  if (places.length === 0) {
    for (const other of reads) {
      const found = other === named ? [] : findExact(quote, other);
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
  reads: readonly ReadSource[],
): FoundQuote | undefined {
  let [best, bestShare]: [FoundQuote | undefined, number] = [places[0], -1];
  if (places.length < 2) return best;
  for (const place of places) {
    const words = contentOf(citedBy([place], reads).text);
    const share = [...terms].filter((term) => words.has(term)).length;
    if (share > bestShare) [best, bestShare] = [place, share];
  }
  return best;
}

interface Cited {
  /** The sentences that the quotes stand in, whole: a quote does not get rid of the "no" before it. */
  readonly text: string;
  /** The titles, and the sentences around. */
  readonly nearby: string;
  /** Names with numbers in them (IL-6) of the cited chunks. */
  readonly names: ReadonlySet<string>;
  /** Stems of all words of the cited chunks. */
  readonly words: ReadonlySet<string>;
}

function citedBy(quotes: readonly FoundQuote[], reads: readonly ReadSource[]): Cited {
  const text: string[] = [];
  const nearby: string[] = [];
  for (const { source, start, end } of quotes) {
    const sentences = reads.find((read) => read.source === source)?.sentences() ?? [];
    const touched = sentences.filter((sentence) => sentence.start < end && start < sentence.end);
    const [from, to] = [Math.min(start, ...touched.map((s) => s.start)), Math.max(end, ...touched.map((s) => s.end))];
    text.push(source.text.slice(from, to));
    const [before, after] = [sentences.findLast((s) => s.end <= from), sentences.find((s) => s.start >= to)];
    for (const around of [before, after]) if (around) nearby.push(source.text.slice(around.start, around.end));
    nearby.push(source.title);
  }
  const cited = reads.filter((read) => quotes.some(({ source }) => source === read.source));
  return {
    text: text.join('\n'),
    nearby: nearby.join('\n'),
    names: new Set(cited.flatMap((read) => [...read.names()])),
    words: new Set(cited.flatMap((read) => [...read.words()])),
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
