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
