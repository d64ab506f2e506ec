/**
 * A part of a document's vectors, kept while the document is embedded with a model that is paid for each text. Sealed like
 * every artefact, and removed with them.
 */
import { createHash } from 'node:crypto';
import { decodeVector, encodeVector } from '@wardstone/queue';
import { z } from 'zod';
import type { EmbeddingModel, EmbeddingUsage } from '../ports.ts';

/** Chunks of one part: what it costs to store a part in S3 is some 3 % of what it costs to embed it (see the README). */
export const partTexts = 32;

const count = z.int().min(0);

const headerSchema = z.strictObject({
  kind: z.literal('vectors-part'),
  modelId: z.string().min(1),
  dimensions: z.int().min(1).max(16_384),
  /** Of all vectors in it. */
  inputTokens: count,
  costMicroUsd: z.number().min(0),
});

const lineSchema = z.strictObject({
  ordinal: count,
  /** SHA-256 of the text, base64: a part of other chunks than those that are there now is not believed. */
  textDigest: z.base64(),
  inputTokens: count,
  costMicroUsd: z.number().min(0),
  values: z.base64(),
});

/** A vector that is paid for. */
export interface KeptVector {
  readonly textDigest: string;
  readonly vector: Float32Array;
  readonly usage: EmbeddingUsage;
}

/** Those of one part, by ordinal; some may be missing. */
export type KeptVectors = ReadonlyMap<number, KeptVector>;

type MadeBy = Pick<EmbeddingModel, 'id' | 'dimensions'>;

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

/** The lines of a part. */
export function* partLines(model: MadeBy, kept: KeptVectors, usage: EmbeddingUsage): Generator<unknown> {
  yield { kind: 'vectors-part', modelId: model.id, dimensions: model.dimensions, ...usage };
  for (const [ordinal, { textDigest, vector, usage: ofOne }] of kept) {
    yield { ordinal, textDigest, ...ofOne, values: encodeVector(vector) };
  }
}

/** What a part's first line says it took; undefined for a part of another model, or what is no part. */
export function usageOfPart(model: MadeBy, line: unknown): EmbeddingUsage | undefined {
  const header = headerSchema.safeParse(line);
  if (!header.success) return undefined;
  const { modelId, dimensions, inputTokens, costMicroUsd } = header.data;
  return modelId === model.id && dimensions === model.dimensions ? { inputTokens, costMicroUsd } : undefined;
}

/** The vector that a further line holds; undefined when it holds none. */
export function vectorOfLine(model: MadeBy, line: unknown): [ordinal: number, kept: KeptVector] | undefined {
  const parsed = lineSchema.safeParse(line);
  if (!parsed.success) return undefined;
  const { ordinal, textDigest, inputTokens, costMicroUsd, values } = parsed.data;
  const vector = decodeVector(values);
  return vector.length === model.dimensions
    ? [ordinal, { textDigest, vector, usage: { inputTokens, costMicroUsd } }]
    : undefined;
}
