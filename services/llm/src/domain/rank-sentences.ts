import type { AnswerSource } from '../ports.ts';
import { splitSentences } from './sentences.ts';
import { fits, type Question, termsOf } from './terms.ts';

/** A sentence that may become part of the answer: `source.text.slice(start, end)`. */
export interface Candidate {
  readonly source: AnswerSource;
  readonly start: number;
  readonly end: number;
  readonly terms: ReadonlySet<string>;
  /** Terms of what the sentence is read with: the title, and the sentences before and after it. */
  readonly context: ReadonlySet<string>;
  readonly score: number;
}

/** Sentences by how much they bear on a question, best first. */
export interface Ranking {
  readonly candidates: readonly Candidate[];
  /** Weight of each of the question's terms: rare ones weigh more. */
  readonly weights: ReadonlyMap<string, number>;
}

/** Worth of a term that stands around the sentence instead of in it. */
const contextWorth = 0.35;
/** Worth of two neighbours of the question that are neighbours in the sentence too. */
const pairWorth = 0.3;
/** Factor for a sentence without the kind of thing that is asked for. */
const unfitFactor = 0.8;
/** How much the search's own order counts: the last source loses this share. */
const rankWorth = 0.25;
/** Terms beyond which a sentence is held against its length. */
const freeLength = 24;

/** Ranks the sentences of all sources. Equal scores keep the order of sources and of the text. */
export function rankSentences(question: Question, sources: readonly AnswerSource[]): Ranking {
  const sentences = sources.flatMap((source, rank) => sentencesOf(source).map((sentence) => ({ ...sentence, rank })));
  const weights = termWeights(question, sentences);
  const candidates = sentences.map(({ ordered, rank, ...sentence }) => {
    const order = 1 - (rankWorth * rank) / Math.max(1, sources.length - 1);
    const fit = fits(question.type, sentence.source.text.slice(sentence.start, sentence.end)) ? 1 : unfitFactor;
    const length = Math.sqrt(Math.max(1, ordered.length / freeLength));
    const matched = matchScore(question, weights, sentence) + pairScore(question, weights, ordered);
    return { ...sentence, score: (matched * order * fit) / length };
  });
  candidates.sort((a, b) => b.score - a.score);
  return { candidates: candidates.filter(({ score }) => score > 0), weights };
}

/** Share of the question's weight, 0 to 1, that a sentence holds; what only its context holds counts half. */
export function coverageOf(question: Question, candidate: Candidate, { weights }: Ranking): number {
  let [found, all] = [0, 0];
  for (const term of question.terms) {
    const weight = weights.get(term) ?? 0;
    all += weight;
    if (candidate.terms.has(term)) found += weight;
    else if (candidate.context.has(term)) found += weight / 2;
  }
  return all === 0 ? 0 : found / all;
}

function sentencesOf(source: AnswerSource) {
  const title = termsOf(source.title);
  const sentences = splitSentences(source.text).map(({ start, end }) => ({
    start,
    end,
    ordered: termsOf(source.text.slice(start, end)),
  }));
  return sentences.map(({ start, end, ordered }, index) => ({
    source,
    start,
    end,
    ordered,
    terms: new Set(ordered),
    context: new Set([...title, ...(sentences[index - 1]?.ordered ?? []), ...(sentences[index + 1]?.ordered ?? [])]),
  }));
}

/** Rarity among the sentences that were found: a word that all of them hold tells nothing. */
function termWeights(
  question: Question,
  sentences: readonly { readonly terms: ReadonlySet<string> }[],
): Map<string, number> {
  return new Map(
    question.terms.map((term) => {
      const holders = sentences.filter(({ terms }) => terms.has(term)).length;
      return [term, Math.log(1 + (sentences.length - holders + 0.5) / (holders + 0.5))];
    }),
  );
}

function matchScore(
  question: Question,
  weights: ReadonlyMap<string, number>,
  { terms, context }: { readonly terms: ReadonlySet<string>; readonly context: ReadonlySet<string> },
): number {
  let [own, around] = [0, 0];
  for (const term of question.terms) {
    const weight = weights.get(term) ?? 0;
    if (terms.has(term)) own += weight;
    else if (context.has(term)) around += weight * contextWorth;
  }
  // Context alone makes no sentence an answer.
  return own === 0 ? 0 : own + around;
}

function pairScore({ terms }: Question, weights: ReadonlyMap<string, number>, ordered: readonly string[]): number {
  const pairs = new Set(ordered.slice(1).map((term, index) => `${ordered[index] ?? ''} ${term}`));
  return terms.slice(1).reduce((sum, term, index) => {
    const before = terms[index] ?? '';
    const weight = Math.min(weights.get(before) ?? 0, weights.get(term) ?? 0);
    return pairs.has(`${before} ${term}`) ? sum + weight * pairWorth : sum;
  }, 0);
}
