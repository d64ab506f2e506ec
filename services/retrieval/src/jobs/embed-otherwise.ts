/** A document's vectors by other models than the one that its artefacts hold them of, while the tenant's model is changed. */
import { inBatches, type StageJob } from '@wardstone/queue';
import { withRetry } from '@wardstone/rpc';
import { maxTextsPerCall, type Deps } from '../ports.ts';
import { openArtefacts } from './read-artefacts.ts';

type OtherDeps = Pick<Deps, 'objects' | 'passages' | 'metrics' | 'log'>;

/** Of one call, which is made again in its place: what was made before it is paid for. After that the job is. */
const retry = { attempts: 8, delays: { firstMs: 500, maxMs: 8_000 } };

/** By the ordinals of chunks; undefined where a model can make nothing of the passage. */
export type VectorsOfDocument = readonly (Float32Array | undefined)[];

/** By models; undefined for one that is not served. */
export type OtherVectors = ReadonlyMap<string, VectorsOfDocument | undefined>;

/**
 * The vectors that are known and those by further models. They are held in memory, four kilobytes a chunk: a model is not waited for inside
 * a transaction. Thrown: transient reasons, as by the stage.
 */
export async function embedOtherwise(
  deps: OtherDeps,
  job: StageJob,
  modelIds: readonly string[],
  known: OtherVectors,
  signal: AbortSignal,
): Promise<OtherVectors> {
  const vectors = new Map(known);
  for (const modelId of modelIds) {
    const made = await embedDocument(deps, job, modelId, signal);
    vectors.set(modelId, made);
    if (made !== undefined) continue;
    deps.metrics.indexedWithoutModel();
    deps.log.warn(
      { tenantId: job.tenantId, documentId: job.documentId, model: modelId },
      'a model that searches use is not served: a document is indexed without its vectors',
    );
  }
  return vectors;
}

async function embedDocument(
  { objects, passages }: Pick<Deps, 'objects' | 'passages'>,
  job: StageJob,
  modelId: string,
  signal: AbortSignal,
): Promise<VectorsOfDocument | undefined> {
  const { tenantId, requestId } = job;
  const { document, chunks, close } = await openArtefacts(objects, job, signal);
  const vectors: (Float32Array | undefined)[] = [];
  try {
    for await (const batch of inBatches(chunks, maxTextsPerCall)) {
      signal.throwIfAborted();
      const texts = batch.map(({ chunk }) => chunk.text);
      const call = { tenantId, requestId, modelId, title: document.title, texts, signal };
      const made = await withRetry(() => passages.vectorsOf(call), { ...retry, signal });
      if (made === undefined) return undefined;
      vectors.push(...made);
    }
    return vectors;
  } finally {
    await close();
  }
}
