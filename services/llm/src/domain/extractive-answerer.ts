/**
 * Answers with the documents' own sentences: the few that bear most on the question, each cited word for word, or the
 * statement that the documents do not answer it. Deterministic; it rewords nothing and obeys nothing it reads.
 */
import { setImmediate } from 'node:timers/promises';
import type { AnswerEvent, AnswerModel, AnswerSource } from '../ports.ts';
import { type Candidate, coverageOf, rankSentences } from './rank-sentences.ts';
import { readQuestion } from './terms.ts';

/** The whole answer when the documents do not answer. */
export const notInDocuments = 'The documents do not answer this question.';

/**
 * Share of the question (its words weighed by rarity) that the best sentence must hold, what stands around it counting
 * half. Chosen with scripts/measure-answers.ts; the README has the figures.
 */
export const minCoverage = 0.5;
const maxSentences = 4;
/** A further sentence has to be this good, measured by the best one. */
const minShareOfBest = 0.6;
/** Sentences that share more of their words than this say the same. */
const maxOverlap = 0.6;

/** The embedded model. */
export function createExtractiveAnswerer(): AnswerModel {
  return {
    id: 'wardstone-extractive-1',
    async *answer({ question, sources }, signal) {
      await setImmediate();
      signal.throwIfAborted();
      const chosen = chooseSentences(question, sources);
      if (chosen.length === 0) {
        yield { kind: 'delta', text: notInDocuments };
        yield { kind: 'done', outcome: 'not-in-documents' };
        return;
      }
      for (const event of tell(chosen)) {
        signal.throwIfAborted();
        yield event;
      }
      yield { kind: 'done', outcome: 'answered' };
    },
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

function* tell(chosen: readonly Candidate[]): Generator<AnswerEvent> {
  let length = 0;
  for (const { source, start, end } of chosen) {
    const statement = statementOf(source.text.slice(start, end));
    const gap = length === 0 ? '' : ' ';
    yield { kind: 'delta', text: gap + statement };
    const answerStart = length + gap.length;
    length = answerStart + statement.length;
    yield {
      kind: 'citation',
      sourceNumber: source.number,
      quoteStart: start,
      quoteEnd: end,
      answerStart,
      answerEnd: length,
    };
  }
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
