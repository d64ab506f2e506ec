/** How a job has its chunks embedded: at once, or one by one with each vector kept. */
import type { ChunkLine } from '@wardstone/queue';
import type { DocumentRef } from '@wardstone/storage';
import { keptVectors } from '../adapters/kept-vectors.ts';
import { afterwards } from '../domain/afterwards.ts';
import { passageText } from '../domain/passage-text.ts';
import { noUsage } from '../domain/usage.ts';
import { digestOf, partTexts } from '../domain/vectors-part.ts';
import type { Deps, EmbeddingModel, EmbeddingUsage } from '../ports.ts';

/** A chunk and the title of its document. */
export interface Chunk {
  readonly line: ChunkLine;
  readonly title: string;
}

export interface Embedder {
  /** Chunks in one batch. */
  readonly batchTexts: number;
  /** Batches at a time. */
  readonly maxBatches: number;
  /** The vectors of a batch, in order. */
  embed(batch: readonly Chunk[]): Promise<Float32Array[]>;
  /** What the vectors of a document of so many chunks have taken, earlier runs included. */
  usage(chunks: number, signal: AbortSignal): Promise<EmbeddingUsage>;
  /** Begins nothing any more, and resolves when what runs has ended and what it brought is kept. Idempotent. */
  close(): Promise<void>;
}

type EmbedderDeps = Pick<Deps, 'objects' | 'cache' | 'limits' | 'metrics'> & { readonly model: EmbeddingModel };

export function embedder(deps: EmbedderDeps, document: DocumentRef, signal: AbortSignal): Embedder {
  return deps.model.metered ? keepingEmbedder(deps, document, signal) : plainEmbedder(deps, document, signal);
}

function plainEmbedder({ model, limits }: EmbedderDeps, { tenantId }: DocumentRef, signal: AbortSignal): Embedder {
  return {
    batchTexts: limits.batchTexts,
    maxBatches: limits.maxCalls,
    embed: async (batch) => (await model.embed(batch.map(passageText), 'passage', { tenantId, signal })).vectors,
    usage: () => Promise.resolve(noUsage),
    close: () => Promise.resolve(),
  };
}

/** Two parts at a time, so that the calls of the second fill the gap while the last ones of the first come in. */
const maxPartsAtOnce = 2;

/** After the job's time is over, calls that are with the model have this long to end: they are paid for. */
const settleMs = 1_000;
/** And what they brought this long to be kept. The worker of the queue waits 2 s. */
const keepMs = 1_800;

/**
 * Every chunk by itself, a batch being a part: what an earlier run kept is not asked for again, nor what the cache has of the same
 * text, and what this run gets is kept whether it ends well or not.
 */
function keepingEmbedder(deps: EmbedderDeps, document: DocumentRef, signal: AbortSignal): Embedder {
  const { model, cache, metrics } = deps;
  const of = { tenantId: document.tenantId, model };
  const store = keptVectors(deps.objects, document, model);
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  const settled = afterwards(signal, settleMs);
  const kept = afterwards(signal, keepMs);
  const running = new Set<Promise<unknown>>();
  const call = { tenantId: document.tenantId, signal: stop, upstreamSignal: settled.signal };

  const embedPart = async (batch: readonly Chunk[]): Promise<Float32Array[]> => {
    const part = Math.floor((batch[0]?.line.ordinal ?? 0) / partTexts);
    const texts = new Map(batch.map((chunk) => [chunk.line.ordinal, passageText(chunk)]));
    const before = await store.read(part, stop);
    const vectors = new Map([...before].filter(([at, { textDigest }]) => isOf(texts.get(at), textDigest)));
    metrics.reused(vectors.size);
    const wanted = [...texts].filter(([ordinal]) => !vectors.has(ordinal));
    const cached = await cache.read(
      of,
      wanted.map(([, text]) => text),
    );
    for (const [ordinal, text] of wanted) {
      const vector = cached.get(text);
      if (vector !== undefined) vectors.set(ordinal, { textDigest: digestOf(text), vector, usage: noUsage });
    }
    const missing = wanted.filter(([ordinal]) => !vectors.has(ordinal));
    const made = new Map<string, Float32Array>();
    const ends = await Promise.allSettled(
      missing.map(async ([ordinal, text]) => {
        const { vectors: answer, usage } = await model.embed([text], 'passage', call);
        const [vector] = answer;
        if (vector === undefined) return;
        vectors.set(ordinal, { textDigest: digestOf(text), vector, usage });
        made.set(text, vector);
      }),
    );
    // What the cache gave is paid for by nobody: a part is stored for what this run has paid.
    const caching = cache.keep(of, made);
    if (made.size > 0) await store.write(part, vectors, kept.signal).finally(async () => caching);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return [...texts.keys()].flatMap((ordinal) => vectors.get(ordinal)?.vector ?? []);
  };

  return {
    batchTexts: partTexts,
    maxBatches: maxPartsAtOnce,
    embed: (batch) => {
      const work = embedPart(batch).catch((error: unknown) => {
        failure.abort(error);
        throw error;
      });
      const ended = work.catch(() => undefined).finally(() => running.delete(ended));
      running.add(ended);
      return work;
    },
    usage: (chunks, usageSignal) => store.usage(Math.ceil(chunks / partTexts), usageSignal),
    close: async () => {
      failure.abort(new Error('the job has ended'));
      await Promise.all(running);
      settled.dispose();
      kept.dispose();
    },
  };
}

function isOf(text: string | undefined, textDigest: string): boolean {
  return text !== undefined && digestOf(text) === textDigest;
}
