/** Titan Text Embeddings V2: its body, its bounds, and vectors in which texts with the same words are near. */
import { createHash } from 'node:crypto';
import { invalid } from './errors.ts';
import type { InvokeAnswer, InvokeHandler, Json } from './types.ts';
import { countTokens, wordsOf } from './words.ts';

const maxInputChars = 50_000;
const maxInputTokens = 8_192;
const sizes = [256, 512, 1_024];
const defaultSize = 1_024;
/** Components that one word moves. */
const componentsPerWord = 4;

/** Answers `{ inputText, dimensions?, normalize?, embeddingTypes? }`. */
export function createTitanEmbedding(): InvokeHandler {
  const hashOf = createHashes();
  return ({ body }) => embeddingOf(body, hashOf);
}

function embeddingOf(body: Json, hashOf: (word: string) => Buffer): InvokeAnswer {
  const { inputText, dimensions = defaultSize, normalize = true, embeddingTypes = ['float'] } = body;
  if (typeof inputText !== 'string') throw invalid(malformed('required key [inputText] not found'));
  if (inputText === '') throw invalid(malformed('#/inputText: expected minLength: 1, actual: 0'));
  if (inputText.length > maxInputChars) {
    const actual = String(inputText.length);
    throw invalid(malformed(`#/inputText: expected maxLength: ${String(maxInputChars)}, actual: ${actual}`));
  }
  if (typeof dimensions !== 'number' || !sizes.includes(dimensions)) {
    throw invalid(malformed(`#/dimensions: ${JSON.stringify(dimensions)} is not a valid enum value`));
  }
  if (typeof normalize !== 'boolean') throw invalid(malformed('#/normalize: expected type: Boolean'));
  if (!Array.isArray(embeddingTypes)) throw invalid(malformed('#/embeddingTypes: expected type: JSONArray'));
  const inputTokens = countTokens(inputText);
  if (inputTokens > maxInputTokens) {
    const counts = `Max input tokens: ${String(maxInputTokens)}, request input token count: ${String(inputTokens)}`;
    throw invalid(`400 Bad Request: Too many input tokens. ${counts}`);
  }
  return {
    body: answer(embed(wordsOf(inputText), hashOf, dimensions, normalize), embeddingTypes, inputTokens),
    inputTokens,
  };
}

function answer(vector: number[], types: unknown[], inputTextTokenCount: number): InvokeAnswer['body'] {
  const binary = (): number[] => vector.map((component) => Number(component > 0));
  const embeddingsByType = {
    ...(types.includes('float') ? { float: vector } : {}),
    ...(types.includes('binary') ? { binary: binary() } : {}),
  };
  return types.includes('float')
    ? { embedding: vector, embeddingsByType, inputTextTokenCount }
    : { embeddingsByType, inputTextTokenCount };
}

/** Every word adds to a few components that a hash of it names, with the hash's sign: the same text, the same vector. */
function embed(
  words: readonly string[],
  hashOf: (word: string) => Buffer,
  dimensions: number,
  normalize: boolean,
): number[] {
  const vector = Array.from({ length: dimensions }, (): number => 0);
  for (const word of words) {
    const hash = hashOf(word);
    for (let at = 0; at < componentsPerWord; at += 1) {
      const component = hash.readUInt32BE(at * 4) % dimensions;
      vector[component] = (vector[component] ?? 0) + (((hash[16 + at] ?? 0) & 1) === 0 ? 1 : -1);
    }
  }
  // A text without words, or whose words cancel out, has a direction nevertheless.
  if (!vector.some((component) => component !== 0)) vector[0] = 1;
  if (!normalize) return vector;
  const length = Math.hypot(...vector);
  return vector.map((component) => component / length);
}

const maxHashes = 50_000;

/** The hashes of words are kept: under load they would be most of the work. */
function createHashes(): (word: string) => Buffer {
  const hashes = new Map<string, Buffer>();
  return (word) => {
    const kept = hashes.get(word);
    if (kept !== undefined) return kept;
    const hash = createHash('sha256').update(word).digest();
    if (hashes.size >= maxHashes) hashes.clear();
    hashes.set(word, hash);
    return hash;
  };
}

function malformed(what: string): string {
  return `Malformed input request: ${what}, please reformat your input and try again.`;
}
