import type { Auditor } from '@wardstone/access';
import type { ServiceClient } from '@wardstone/rpc';
import type { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import type { AnswerMetrics } from './metrics.ts';

/** A page's start within a chunk's text, in UTF-16 code units. */
export interface PageBreak {
  readonly page: number;
  readonly chunkOffset: number;
}

/** A chunk that an answer may be made of. Its text is data of somebody else: it is quoted, never obeyed. */
export interface AnswerSource {
  /** Number by which the answer names it, from 1. */
  readonly number: number;
  readonly chunkId: string;
  readonly documentId: string;
  readonly version: number;
  readonly title: string;
  readonly text: string;
  /** Where the chunk begins in its document's text. */
  readonly charStart: number;
  /** Pages the chunk's text runs over, in order; never empty. */
  readonly pageBreaks: readonly PageBreak[];
  /** Similarity to the question, by which sources are ordered. */
  readonly score: number;
}

/** How an answer ended. */
export type AnswerOutcome = 'answered' | 'not-in-documents';

/** What an answering model tells, in this order: text, then the citations that bear it out, and `done` last. */
export type AnswerEvent =
  | { readonly kind: 'delta'; readonly text: string }
  | {
      readonly kind: 'citation';
      readonly sourceNumber: number;
      /** The quote is `source.text.slice(quoteStart, quoteEnd)`. */
      readonly quoteStart: number;
      readonly quoteEnd: number;
      /** The statement borne out, in the answer's text so far. */
      readonly answerStart: number;
      readonly answerEnd: number;
    }
  | { readonly kind: 'done'; readonly outcome: AnswerOutcome };

/** A model that answers from sources. Adapters: the embedded extractive one here; Claude on Bedrock later. */
export interface AnswerModel {
  readonly id: string;
  /**
   * Answers from the sources alone. Stops soon after the signal fires, with the signal's reason.
   * Thrown: AppError MODEL_UNAVAILABLE when the model cannot be had.
   */
  answer(
    input: { readonly question: string; readonly sources: readonly AnswerSource[] },
    signal: AbortSignal,
  ): AsyncIterable<AnswerEvent>;
}

/** What handlers need. main.ts fills it in; tests fill in real or failing parts. */
export interface Deps {
  readonly model: AnswerModel;
  readonly retrieval: Pick<ServiceClient<typeof RetrievalService>, 'search'>;
  readonly auditor: Pick<Auditor, 'record'>;
  readonly metrics: AnswerMetrics;
  readonly limits: {
    /** Answers in flight. */
    readonly maxAnswers: number;
    /** How many percent of them may be one tenant's. */
    readonly tenantSlotPercent: number;
  };
}
