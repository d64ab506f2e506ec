/** What handlers and jobs need, as narrow as they need it. main.ts fills it in; tests fill in real or failing parts. */
import type { Auditor } from '@wardstone/access';
import type { ProgressReporter } from '@wardstone/queue';
import type { SealedObjects } from '@wardstone/storage';
import type { EmbeddingMetrics } from './metrics.ts';

/** What a text is embedded for. Models may treat the two sides differently. */
export type EmbeddingKind = 'passage' | 'query';

/** A model that turns text into vectors. Adapters: the embedded lexical one here; Titan on Bedrock later. */
export interface EmbeddingModel {
  /** Stored with each vector. Vectors of different ids are never compared. */
  readonly id: string;
  /** Components of every vector. */
  readonly dimensions: number;
  /**
   * One vector of unit length (L2) for each text, in order. Empty texts are not asked for.
   * Thrown: AppError MODEL_UNAVAILABLE when the model cannot be had; the signal's reason when it fires.
   */
  embed(texts: readonly string[], kind: EmbeddingKind, signal?: AbortSignal): Promise<Float32Array[]>;
}

/** Bounds of the job. */
export interface Limits {
  /** Texts in one call of the model. */
  readonly batchTexts: number;
  /** Calls of the model that one job has in flight. */
  readonly maxCalls: number;
}

export interface Deps {
  readonly model: EmbeddingModel;
  readonly objects: Pick<SealedObjects, 'exists' | 'readJsonLines' | 'writeJsonLines'>;
  readonly auditor: Pick<Auditor, 'record'>;
  readonly progress: ProgressReporter;
  readonly metrics: EmbeddingMetrics;
  readonly limits: Limits;
}
