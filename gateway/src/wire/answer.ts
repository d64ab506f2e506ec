import {
  AnswerOutcomeSchema,
  type AnswerDone,
  type Citation,
  type Source,
} from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { enumName } from './enums.ts';
import { toSpan } from './span.ts';

/** A source as the API shows it. */
export function toSource(source: Source) {
  const { number, documentId, version, documentTitle, chunkId, score } = source;
  return { number, documentId, version, documentTitle, chunkId, span: toSpan(source.span), score };
}

/** A citation as the API shows it. */
export function toCitation(citation: Citation) {
  const { sourceNumber, documentId, version, quote, answerStart, answerEnd } = citation;
  return { sourceNumber, documentId, version, quote, span: toSpan(citation.span), answerStart, answerEnd };
}

/** The end of an answer as the API shows it. */
export function toDone(done: AnswerDone) {
  return { outcome: enumName(AnswerOutcomeSchema, done.outcome, 'NOT_IN_DOCUMENTS'), modelId: done.modelId };
}
