/** Between the wire's messages and the domain's values; nowhere else. */
import type { SearchHit } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { AnswerOutcome as WireOutcome } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { placeOf } from '../domain/places.ts';
import type { AnswerOutcome, AnswerSource } from '../ports.ts';

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

export function outcomeToWire(outcome: AnswerOutcome): WireOutcome {
  return outcome === 'answered' ? WireOutcome.ANSWERED : WireOutcome.NOT_IN_DOCUMENTS;
}
