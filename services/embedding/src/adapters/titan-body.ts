/**
 * What Titan Text Embeddings V2 is sent and answers: the bodies of InvokeModel, from the guide "Amazon Titan Embeddings Text"
 * of Bedrock.
 */
import { modelJson } from '@wardstone/aws/bedrock';
import { AppError } from '@wardstone/rpc';
import { z } from 'zod';
import type { TextBounds } from '../domain/split-text.ts';
import type { TitanDimensions } from '../domain/titan-models.ts';
import { normalise, padTo } from '../domain/unit-vector.ts';

/** The index holds vectors of this size: shorter ones are filled up with zeros, which leaves every cosine as it was. */
export const indexedDimensions = 1024;

/** 8,192 tokens, of which some are left for the model's own, and 50,000 characters. */
export const titanBounds: TextBounds = { maxTokens: 8_000, maxChars: 50_000 };

const answerSchema = z.object({
  embedding: z.array(z.number()).min(1).max(4_096),
  inputTextTokenCount: z.int().min(0),
});

/** The body of a request: JSON, UTF-8. */
export function requestBody(text: string, dimensions: TitanDimensions): Uint8Array {
  return Buffer.from(JSON.stringify({ inputText: text.toWellFormed(), dimensions, normalize: true }));
}

/**
 * The vector, of the index's size and of unit length, and the tokens that are to be paid. Thrown: MODEL_STREAM_BROKEN when the
 * body is cut short; INTERNAL when it is whole and not what the guide says, for which nobody should pay again and again.
 */
export function readAnswer(
  body: Uint8Array,
  dimensions: TitanDimensions,
): { readonly vector: Float32Array; readonly inputTokens: number } {
  const answer = answerSchema.safeParse(modelJson(body));
  const vector = answer.success ? normalise(Float32Array.from(answer.data.embedding)) : undefined;
  if (!answer.success || vector?.length !== dimensions) {
    throw new AppError('INTERNAL', { cause: new Error('the model answered with something else than a vector') });
  }
  return { vector: padTo(vector, indexedDimensions), inputTokens: answer.data.inputTextTokenCount };
}
