import {
  type AnswerDelta,
  type AnswerDone,
  AnswerOutcomeSchema,
  type AnswerUsage,
  type Citation,
  GuardFindingSchema,
  QuoteMatchSchema,
  type Source,
  StatementProblemSchema,
  StatementSupportSchema,
} from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { enumName } from './enums.ts';
import { toSpan } from './span.ts';

/** A source as the API shows it. */
export function toSource(source: Source) {
  const { number, documentId, version, documentTitle, chunkId, score } = source;
  return { number, documentId, version, documentTitle, chunkId, span: toSpan(source.span), score };
}

/** A statement as the API shows it. */
export function toDelta({ text, answerStart, answerEnd, support, problems }: AnswerDelta) {
  return {
    text,
    answerStart,
    answerEnd,
    // What was not checked is not borne out.
    support: support === 0 ? 'UNSUPPORTED' : enumName(StatementSupportSchema, support, 'UNSUPPORTED'),
    problems: problems.map((problem) => enumName(StatementProblemSchema, problem, 'NOT_BORNE_OUT')),
  };
}

/** A citation as the API shows it. */
export function toCitation(citation: Citation) {
  const { sourceNumber, documentId, version, quote, answerStart, answerEnd, match, similarity } = citation;
  return {
    ...{ sourceNumber, documentId, version, quote, span: toSpan(citation.span), answerStart, answerEnd, similarity },
    match: match === 0 ? 'FUZZY' : enumName(QuoteMatchSchema, match, 'FUZZY'),
  };
}

/** What an answer used as the API shows it. Counts of one answer are far below what a number holds. */
export function toUsage({ modelId, ...usage }: AnswerUsage) {
  return {
    modelId,
    inputTokens: Number(usage.inputTokens),
    outputTokens: Number(usage.outputTokens),
    cacheReadTokens: Number(usage.cacheReadTokens),
    cacheWriteTokens: Number(usage.cacheWriteTokens),
    costMicroUsd: Number(usage.costMicroUsd),
  };
}

/** The end of an answer as the API shows it. */
export function toDone(done: AnswerDone) {
  const { modelId, grounding, statements, supported, withheld, promptVersion, truncated, conversationId, turn } = done;
  return {
    outcome: enumName(AnswerOutcomeSchema, done.outcome, 'BLOCKED'),
    modelId,
    grounding,
    checked: { statements, supported, withheld },
    guardFindings: done.guardFindings.map((finding) => enumName(GuardFindingSchema, finding, 'CONTROL_SYNTAX')),
    promptVersion,
    truncated,
    ...(conversationId === '' ? {} : { conversationId, turn }),
  };
}
