/** Between the wire's messages and the domain's values; nowhere else. */
import type { SearchHit } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import {
  AnswerOutcome as WireOutcome,
  GuardFinding as WireFinding,
  QuoteMatch,
  StatementProblem as WireProblem,
  StatementSupport,
  type ToldTurn,
} from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import type { AnswerSummary, CheckedStatement } from '../domain/compose-answer.ts';
import type { AnswerOutcome } from '../domain/outcomes.ts';
import { type GuardFinding, withoutHidden } from '../domain/output-guard.ts';
import { placeOf } from '../domain/places.ts';
import type { FoundQuote, StatementProblem } from '../domain/verify/verify-statement.ts';
import type { AnswerModel, AnswerSource, ConversationTurn, ModelUsage } from '../ports.ts';

/** A turn as the caller tells it. */
export function turnFromWire({ question, answer }: ToldTurn): ConversationTurn {
  return { question, answer };
}

/** A hit as a source with its number, by the order in which retrieval ranked it. */
export function sourceFromHit(hit: SearchHit, index: number): AnswerSource {
  return {
    number: index + 1,
    chunkId: hit.chunkId,
    documentId: hit.documentId,
    version: hit.version,
    title: hit.documentTitle,
    text: hit.text,
    charStart: hit.span?.charStart ?? 0,
    pageBreaks: hit.pageBreaks.map(({ page, chunkOffset }) => ({ page, chunkOffset })),
    score: hit.score,
  };
}

export function sourceToWire(source: AnswerSource) {
  return {
    number: source.number,
    documentId: source.documentId,
    version: source.version,
    documentTitle: source.title,
    span: placeOf(source, 0, source.text.length),
    score: source.score,
    chunkId: source.chunkId,
  };
}

export function statementToWire({ text, support, problems, answerStart, answerEnd }: CheckedStatement) {
  return {
    text,
    support: supports[support],
    problems: problems.map((problem) => wireProblems[problem]),
    answerStart,
    answerEnd,
  };
}

/**
 * A citation as it is sent: the quote is cut from the source here, so that no model can make one up. What is not seen of it is left
 * out; the span tells of the source as it is.
 */
export function citationToWire(
  { source, start, end, match, similarity }: FoundQuote,
  { answerStart, answerEnd }: Pick<CheckedStatement, 'answerStart' | 'answerEnd'>,
) {
  return {
    sourceNumber: source.number,
    quote: withoutHidden(source.text.slice(start, end)),
    span: placeOf(source, start, end),
    answerStart,
    answerEnd,
    documentId: source.documentId,
    version: source.version,
    match: match === 'exact' ? QuoteMatch.EXACT : QuoteMatch.FUZZY,
    similarity,
  };
}

export function usageToWire(modelId: string, usage: ModelUsage) {
  return {
    modelId: usage.modelId === '' ? modelId : usage.modelId,
    inputTokens: BigInt(usage.inputTokens),
    outputTokens: BigInt(usage.outputTokens),
    cacheReadTokens: BigInt(usage.cacheReadTokens),
    cacheWriteTokens: BigInt(usage.cacheWriteTokens),
    costMicroUsd: BigInt(usage.costMicroUsd),
  };
}

export function doneToWire(
  { outcome, grounding, statements, supported, withheld, findings, truncated }: AnswerSummary,
  from: Pick<AnswerModel, 'promptVersion'> & {
    readonly modelId: string;
    readonly conversationId: string;
    readonly turn: number;
  },
) {
  return {
    outcome: outcomes[outcome],
    grounding,
    statements,
    supported,
    withheld,
    guardFindings: findings.map((finding) => wireFindings[finding]),
    truncated,
    ...from,
  };
}

/** How an answer ended, on the wire. */
export const outcomes: Readonly<Record<AnswerOutcome, WireOutcome>> = {
  answered: WireOutcome.ANSWERED,
  'not-in-documents': WireOutcome.NOT_IN_DOCUMENTS,
  unsupported: WireOutcome.UNSUPPORTED,
  blocked: WireOutcome.BLOCKED,
};

const supports: Record<CheckedStatement['support'], StatementSupport> = {
  supported: StatementSupport.SUPPORTED,
  unsupported: StatementSupport.UNSUPPORTED,
  notice: StatementSupport.NOTICE,
};

const wireProblems: Record<StatementProblem, WireProblem> = {
  'no-quote': WireProblem.NO_QUOTE,
  'quote-not-found': WireProblem.QUOTE_NOT_FOUND,
  'wrong-source': WireProblem.WRONG_SOURCE,
  'wrong-page': WireProblem.WRONG_PAGE,
  'number-not-in-source': WireProblem.NUMBER_NOT_IN_SOURCE,
  'date-not-in-source': WireProblem.DATE_NOT_IN_SOURCE,
  'negation-differs': WireProblem.NEGATION_DIFFERS,
  'not-borne-out': WireProblem.NOT_BORNE_OUT,
};

const wireFindings: Record<GuardFinding, WireFinding> = {
  'leaked-prompt': WireFinding.LEAKED_PROMPT,
  'foreign-address': WireFinding.FOREIGN_ADDRESS,
  'active-content': WireFinding.ACTIVE_CONTENT,
  'hidden-characters': WireFinding.HIDDEN_CHARACTERS,
  'control-syntax': WireFinding.CONTROL_SYNTAX,
};
