/** Titan Text Embeddings V2 on Bedrock, behind the port of every embedding model. */
import { errorNameOf } from '@wardstone/aws';
import type { ModelGuard } from '@wardstone/aws/bedrock';
import { AppError, needs } from '@wardstone/rpc';
import type { AdaptiveLimit } from '../domain/adaptive-limit.ts';
import { splitText } from '../domain/split-text.ts';
import { titanModelId, type TitanDimensions } from '../domain/titan-models.ts';
import { estimateTokens } from '../domain/tokens.ts';
import { meanDirection } from '../domain/unit-vector.ts';
import type { EmbeddingMetrics } from '../metrics.ts';
import type { EmbedCall, EmbeddingKind, EmbeddingModel } from '../ports.ts';
import { indexedDimensions, readAnswer, requestBody, titanBounds } from './titan-body.ts';

/** One request, one attempt. Thrown: AppErrors alone, with the SDK's error as their cause. */
export type InvokeTitan = (body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;

/** How Titan is used. */
export interface TitanOptions {
  readonly dimensions: TitanDimensions;
  readonly invoke: InvokeTitan;
  /** Repeats what may be repeated; shared, so that one circuit stands for the model. */
  readonly guard: Pick<ModelGuard, 'run' | 'circuit'>;
  /** Shared by all that ask this model for something. */
  readonly limit: AdaptiveLimit;
  readonly microUsdPer1000Tokens: number;
  /** For a text whose caller has no deadline, with its turns and all its attempts. */
  readonly textTimeoutMs: number;
  readonly metrics: Pick<EmbeddingMetrics, 'attempted' | 'split'>;
}

/** What came of a text. */
interface Made {
  readonly vector: Float32Array;
  readonly inputTokens: number;
}

/** A call that can be ended, from outside or because another of its texts has failed. */
interface BoundedCall extends EmbedCall {
  readonly signal: AbortSignal;
  readonly upstreamSignal: AbortSignal;
}

/** The estimate of tokens may be wrong for a text of few words: then it is halved so often at most. */
const maxHalvings = 4;

export function createTitanModel(options: TitanOptions): EmbeddingModel {
  const { dimensions, microUsdPer1000Tokens } = options;
  return {
    id: titanModelId(dimensions),
    dimensions: indexedDimensions,
    metered: true,
    async embed(texts, kind, call) {
      call.signal?.throwIfAborted();
      const made = await allOrNone(texts, call, async (text, bounded) => embedText(options, text, kind, bounded));
      const inputTokens = made.reduce((sum, one) => sum + one.inputTokens, 0);
      const costMicroUsd = (inputTokens * microUsdPer1000Tokens) / 1_000;
      return { vectors: made.map(({ vector }) => vector), usage: { inputTokens, costMicroUsd } };
    },
  };
}

/** Works on all texts at once. The first that fails ends the others: their vectors would go nowhere. */
async function allOrNone(
  texts: readonly string[],
  call: EmbedCall,
  work: (text: string, call: BoundedCall) => Promise<Made>,
): Promise<Made[]> {
  const failure = new AbortController();
  const own = outsideEnd([call.signal, failure.signal]);
  const upstream = outsideEnd([call.upstreamSignal ?? call.signal, failure.signal]);
  const bounded = { ...call, signal: own.signal, upstreamSignal: upstream.signal };
  try {
    return await Promise.all(texts.map(async (text) => work(text, bounded)));
  } catch (error) {
    failure.abort(error);
    call.signal?.throwIfAborted();
    throw error;
  } finally {
    own.dispose();
    upstream.dispose();
  }
}

/**
 * Fires with CANCELLED when one of the others fires, whatever for: the circuit is to count what the model did, not a deadline of
 * the caller's, nor the failure of one text again for each that it ends.
 */
function outsideEnd(signals: readonly (AbortSignal | undefined)[]): { signal: AbortSignal; dispose(): void } {
  const own = new AbortController();
  const any = AbortSignal.any(signals.filter((signal) => signal !== undefined));
  const end = (): void => own.abort(new AppError('CANCELLED', { cause: any.reason }));
  if (any.aborted) end();
  else any.addEventListener('abort', end, { once: true });
  return { signal: own.signal, dispose: () => any.removeEventListener('abort', end) };
}

/** A text that is too long is embedded in parts, whose vectors count by their length. */
async function embedText(options: TitanOptions, text: string, kind: EmbeddingKind, call: BoundedCall): Promise<Made> {
  const parts = splitText(text, titanBounds);
  if (parts.length > 1) options.metrics.split(parts.length);
  return meanOf(parts, async (part) => embedPart(options, part, kind, call, maxHalvings));
}

async function embedPart(
  options: TitanOptions,
  text: string,
  kind: EmbeddingKind,
  call: BoundedCall,
  halvingsLeft: number,
): Promise<Made> {
  try {
    return await request(options, text, kind, call);
  } catch (error) {
    if (!isTooLong(error)) throw error;
    const bounds = { maxTokens: Math.ceil(estimateTokens(text) / 2), maxChars: Math.ceil(text.length / 2) };
    const parts = splitText(text, bounds);
    if (parts.length < 2 || halvingsLeft === 0) throw new AppError('TEXT_TOO_LARGE', { cause: error });
    options.metrics.split(parts.length);
    return meanOf(parts, async (part) => embedPart(options, part, kind, call, halvingsLeft - 1));
  }
}

async function meanOf(parts: readonly string[], work: (part: string) => Promise<Made>): Promise<Made> {
  const made = await Promise.all(parts.map(work));
  return {
    vector: meanDirection(made.map(({ vector }, at) => ({ vector, weight: parts[at]?.length ?? 1 }))),
    inputTokens: made.reduce((sum, one) => sum + one.inputTokens, 0),
  };
}

/** One text with all its attempts. A turn is held for one attempt only: who pauses stands in nobody's way. */
async function request(options: TitanOptions, text: string, kind: EmbeddingKind, call: BoundedCall): Promise<Made> {
  const { dimensions, guard, textTimeoutMs } = options;
  const body = requestBody(text, dimensions);
  const { signal, timeoutMs = textTimeoutMs } = call;
  return guard.run(() => attempt(options, body, kind, call), { signal, timeoutMs });
}

async function attempt(options: TitanOptions, body: Uint8Array, kind: EmbeddingKind, call: BoundedCall): Promise<Made> {
  const { dimensions, invoke, guard, limit, metrics } = options;
  const leave = await limit.enter({ first: kind === 'query', tenantId: call.tenantId }, call.signal);
  try {
    // It may have opened while this call waited for its turn.
    needs(guard.circuit() !== 'open', 'MODEL_UNAVAILABLE');
    const made = readAnswer(await invoke(body, call.upstreamSignal), dimensions);
    metrics.attempted(kind, 'done');
    leave('done');
    return made;
  } catch (error) {
    const ending = AppError.from(error).reason === 'MODEL_THROTTLED' ? 'throttled' : 'failed';
    metrics.attempted(kind, ending);
    leave(ending);
    throw error;
  }
}

/** By its message alone Bedrock tells a text that is too long from other requests that are not valid. */
function isTooLong(error: unknown): boolean {
  const { cause } = AppError.from(error);
  if (errorNameOf(cause) !== 'ValidationException' || !(cause instanceof Error)) return false;
  return /too many input tokens|expected maxLength/i.test(cause.message);
}
