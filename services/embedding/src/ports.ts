/** What handlers and jobs need, as narrow as they need it. main.ts fills it in; tests fill in real or failing parts. */
import type { Auditor } from '@wardstone/access';
import type { ProgressReporter } from '@wardstone/queue';
import type { SealedObjects } from '@wardstone/storage';
import type { EmbeddingMetrics } from './metrics.ts';

/** What a text is embedded for. Models may treat the two sides differently; queries come before passages. */
export type EmbeddingKind = 'passage' | 'query';

/** For whom texts are embedded, and how long that is of use. */
export interface EmbedCall {
  /** Tenants take turns where calls have to wait; '' when it is for none. */
  readonly tenantId: string;
  /** Nothing is begun any more once it fires. It fires at the latest when the caller's deadline passes. */
  readonly signal?: AbortSignal | undefined;
  /** Ends what is already with the model; `signal` unless told. A job lets paid work end, a caller who left does not. */
  readonly upstreamSignal?: AbortSignal | undefined;
  /** Time left for the caller, in milliseconds: no pause goes beyond it. */
  readonly timeoutMs?: number | undefined;
}

/** What embedding took. Both are 0 for a model that is not metered. */
export interface EmbeddingUsage {
  /** As the model counted them. */
  readonly inputTokens: number;
  /** In millionths of a US dollar, at the configured price; with fractions. */
  readonly costMicroUsd: number;
}

/** Vectors and what they took. */
export interface Embedded {
  /** One of unit length (L2) for each text, in order. */
  readonly vectors: Float32Array[];
  readonly usage: EmbeddingUsage;
}

/** A model that turns text into vectors. Adapters: the embedded lexical one, and Titan on Bedrock. All pass one suite of tests. */
export interface EmbeddingModel {
  /** Stored with each vector. Vectors of different ids are never compared. */
  readonly id: string;
  /** Components of every vector. */
  readonly dimensions: number;
  /** Whether texts cost money: a job keeps what such a model has made, and asks for it one by one. */
  readonly metered: boolean;
  /**
   * A vector for each text. Empty texts are not asked for; a text that is longer than the model takes is embedded in parts,
   * never cut. The same text gives the same vector.
   * Thrown: AppError MODEL_UNAVAILABLE and its kin when the model cannot be had; RATE_LIMITED when too much waits for it; the signal's reason when it fires.
   */
  embed(texts: readonly string[], kind: EmbeddingKind, call: EmbedCall): Promise<Embedded>;
}

/** The models that are served. */
export interface EmbeddingModels {
  /** What documents are embedded with. */
  readonly current: EmbeddingModel;
  /** The others. */
  readonly kept: readonly EmbeddingModel[];
  /** The one with that id, '' for the current one. Thrown: INVALID_ARGUMENT when it is not served. */
  of(modelId: string): EmbeddingModel;
}

/** Whose vectors, and of which model. */
export interface CachedOf {
  readonly tenantId: string;
  readonly model: Pick<EmbeddingModel, 'id' | 'dimensions'>;
}

/**
 * Vectors of passages that a metered model has made before, by their texts. It may be away, slow, full or none at all: then nothing
 * is found and nothing kept. Neither call throws, and each ends within a second.
 */
export interface VectorCache {
  /** The vectors that are there, by text. */
  read(of: CachedOf, texts: readonly string[]): Promise<ReadonlyMap<string, Float32Array>>;
  /** Keeps vectors by their texts, sealed. */
  keep(of: CachedOf, vectors: ReadonlyMap<string, Float32Array>): Promise<void>;
}

/** Bounds of the job, and of `Embed`. */
export interface Limits {
  /** Texts in one call of a model that is not metered. */
  readonly batchTexts: number;
  /** Calls of such a model that one job has in flight. */
  readonly maxCalls: number;
  /** Calls of `Embed` at once, with questions; with passages as many again. */
  readonly maxRequests: number;
  /** Of those, how many may be one tenant's. */
  readonly tenantSlotPercent: number;
}

export interface Deps {
  readonly models: EmbeddingModels;
  readonly cache: VectorCache;
  readonly objects: Pick<SealedObjects, 'exists' | 'readJsonLines' | 'writeJsonLines'>;
  readonly auditor: Pick<Auditor, 'record'>;
  readonly progress: ProgressReporter;
  readonly metrics: EmbeddingMetrics;
  readonly limits: Limits;
}
