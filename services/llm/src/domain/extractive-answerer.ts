/**
 * Answers with the documents' own sentences: the few that bear most on the question, each cited word for word, or the
 * statement that the documents do not answer it. Deterministic; it rewords nothing and obeys nothing it reads.
 */
import { setImmediate } from 'node:timers/promises';
import type { AnswerModel, AnswerSource, ModelCard, ModelEvent } from '../ports.ts';
import { type Candidate, coverageOf, rankSentences } from './rank-sentences.ts';
import { rewriteFollowUp } from './rewrite-follow-up.ts';
import { readQuestion } from './terms.ts';

/**
 * Share of the question (its words weighed by rarity) that the best sentence must hold, what stands around it counting
 * half. Chosen with scripts/measure-answers.ts; the README has the figures.
 */
const minCoverage = 0.5;
const maxSentences = 4;
/** A further sentence has to be this good, measured by the best one. */
const minShareOfBest = 0.6;
/** Sentences that share more of their words than this say the same. */
const maxOverlap = 0.6;

/** The embedded model as it is listed. It reads what retrieval gives it, which is bounded. */
export const extractiveCard: ModelCard = {
  id: 'wardstone-extractive-1',
  aliases: ['quality', 'fast'],
  contextTokens: 1_000_000,
  maxOutputTokens: 4_096,
};

/** The embedded model. It has no prompt, and costs nothing; of a conversation it reads the questions. */
export function createExtractiveAnswerer(): AnswerModel {
  return {
    id: extractiveCard.id,
    promptVersion: '',
    takesGuardrail: false,
    confidential: [],
    fit: ({ sources }) => sources,
    async *answer({ question, sources }, signal) {
      await setImmediate();
      signal.throwIfAborted();
      const chosen = chooseSentences(question, sources);
      for (const candidate of chosen) {
        signal.throwIfAborted();
        yield tell(candidate);
      }
      yield { kind: 'done', outcome: chosen.length === 0 ? 'not-in-documents' : 'answered' };
    },
    maxMicroUsd: () => 0,
    rewrite: ({ question, history }) => Promise.resolve(rewriteFollowUp(question, history)),
  };
}

/** The sentences to answer with, in the order to tell them; none when the sources do not answer. */
export function chooseSentences(question: string, sources: readonly AnswerSource[]): Candidate[] {
  const read = readQuestion(question);
  if (read.terms.length === 0) return [];
  const ranking = rankSentences(read, sources);
  const best = ranking.candidates[0];
  if (!best || coverageOf(read, best, ranking) < minCoverage) return [];
  const chosen: Candidate[] = [];
  for (const candidate of ranking.candidates) {
    if (chosen.length === maxSentences || candidate.score < best.score * minShareOfBest) break;
    if (chosen.every((other) => overlap(other.terms, candidate.terms) <= maxOverlap)) chosen.push(candidate);
  }
  return inTellingOrder(chosen);
}

/** A sentence of a source as a statement that quotes it whole. */
function tell({ source, start, end }: Candidate): ModelEvent {
  const quote = source.text.slice(start, end);
  return { kind: 'statement', text: statementOf(quote), quotes: [{ sourceNumber: source.number, quote }] };
}

/** A quote as it reads in an answer: on one line, words joined that a line end had broken, with a full stop. */
function statementOf(quote: string): string {
  const line = quote
    .replace(/\xad\s*|(?<=\p{Ll})[-‐]\n\s*(?=\p{Ll})/gu, '')
    .replace(/\s+/gu, ' ')
    .trim();
  return /[.!?…。！？:]["'”’»)\]]*$/u.test(line) ? line : `${line}.`;
}

/** The best sentence first, then the others as they read, those of its own document before those of the next best. */
function inTellingOrder(chosen: readonly Candidate[]): Candidate[] {
  const [best, ...others] = chosen;
  if (!best) return [];
  const documents = [...new Set(chosen.map(documentOf))];
  others.sort(
    (a, b) =>
      documents.indexOf(documentOf(a)) - documents.indexOf(documentOf(b)) ||
      a.source.charStart + a.start - (b.source.charStart + b.start),
  );
  return [best, ...others];
}

function documentOf({ source }: Candidate): string {
  return `${source.documentId}/${String(source.version)}`;
}

/** Share of the smaller set that is in the other. */
function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  return small.size === 0 ? 0 : [...small].filter((term) => large.has(term)).length / small.size;
}
