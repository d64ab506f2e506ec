/** Stage `embed`: from the sealed artefact `chunks` to the sealed artefact `vectors`. */
import { systemPrincipal } from '@wardstone/access';
import {
  encodeVector,
  readChunksArtefact,
  vectorsLineSchema,
  type StageContext,
  type StageJob,
  type VectorLine,
  type VectorsLine,
  inBatches,
} from '@wardstone/queue';
import { AppError, needs } from '@wardstone/rpc';
import type { DocumentRef, ObjectRef } from '@wardstone/storage';
import { inOrder } from '../domain/in-order.ts';
import { usageAttributes } from '../domain/usage.ts';
import type { Deps } from '../ports.ts';
import { embedder, type Chunk, type Embedder } from './embed-batches.ts';

/** Progress is reported at most so often. */
const progressIntervalMs = 1_000;

/**
 * Idempotent: the artefact is written whole or not at all, and one that is there, of this model, is not made again. Memory
 * holds a few batches, whatever the document's size. What a metered model has made is kept in parts until the document is
 * published, so that a run that fails or is ended pays for nothing twice. Thrown: DOCUMENT_NOT_FOUND when the chunks are gone
 * (the document was deleted), so that the stages behind are skipped; transient reasons, for which the queue repeats the job.
 */
export function embedJob(deps: Deps) {
  return async (job: StageJob, { signal }: Pick<StageContext, 'signal'>): Promise<void> => {
    const { tenantId, documentId, version } = job;
    const document: DocumentRef = { tenantId, documentId, version };
    const model = deps.models.current;
    const count = await countChunks(deps, document, signal);
    const header: VectorsLine = { kind: 'vectors', modelId: model.id, dimensions: model.dimensions, count };
    const embedding = embedder({ ...deps, model }, document, signal);
    try {
      if (!(await isDone(deps, document, header, signal))) {
        deps.progress.report(job, 0);
        const lines = vectorLines(deps, job, embedding, header, signal);
        await deps.objects.writeJsonLines({ ...document, name: 'vectors' }, lines, { signal });
      }
    } finally {
      await embedding.close();
    }
    await deps.auditor.record(
      { principal: systemPrincipal('embedding', tenantId), requestId: job.requestId, signal },
      {
        action: 'document.process',
        resourceType: 'document',
        resourceIds: [documentId],
        outcome: 'success',
        attributes: {
          stage: 'embed',
          chunks: String(count),
          model: model.id,
          ...usageAttributes(model, await embedding.usage(count, signal)),
        },
      },
    );
    deps.progress.report(job, 100);
  };
}

/** The header of `vectors` says how many there are before the first one is made: the chunks are read twice. */
async function countChunks(deps: Pick<Deps, 'objects'>, document: DocumentRef, signal: AbortSignal): Promise<number> {
  let count = 0;
  for await (const chunk of chunksOf(deps, document, signal)) count = chunk.line.ordinal + 1;
  return count;
}

async function* chunksOf(
  { objects }: Pick<Deps, 'objects'>,
  document: DocumentRef,
  signal: AbortSignal,
): AsyncGenerator<Chunk> {
  let title = '';
  try {
    for await (const line of readChunksArtefact(objects.readJsonLines({ ...document, name: 'chunks' }, { signal }))) {
      if (line.kind === 'chunk') {
        yield { line, title };
        continue;
      }
      const isOfDocument = line.documentId === document.documentId && line.version === document.version;
      needs(isOfDocument, 'SEALED_VALUE_INVALID');
      title = line.title;
    }
  } catch (error) {
    const known = AppError.from(error);
    throw known.reason === 'NOT_FOUND' ? new AppError('DOCUMENT_NOT_FOUND', { cause: error }) : error;
  }
}

/** Whether an earlier run has written the artefact already. It is written whole, so that its header speaks for it. */
async function isDone(
  { objects }: Pick<Deps, 'objects'>,
  document: DocumentRef,
  wanted: VectorsLine,
  signal: AbortSignal,
): Promise<boolean> {
  const ref: ObjectRef = { ...document, name: 'vectors' };
  if (!(await objects.exists(ref))) return false;
  for await (const line of objects.readJsonLines(ref, { signal })) {
    const header = vectorsLineSchema.safeParse(line);
    return header.success && header.data.modelId === wanted.modelId && header.data.count === wanted.count;
  }
  return false;
}

async function* vectorLines(
  deps: Pick<Deps, 'objects' | 'progress'>,
  job: StageJob,
  embedding: Embedder,
  header: VectorsLine,
  signal: AbortSignal,
): AsyncGenerator<VectorsLine | VectorLine> {
  yield header;
  const batches = inBatches(chunksOf(deps, job, signal), embedding.batchTexts);
  const embedded = inOrder(batches, embedding.maxBatches, embedding.embed);
  let ordinal = 0;
  let reportedAt = performance.now();
  for await (const vectors of embedded) {
    for (const vector of vectors) {
      yield { ordinal, values: encodeVector(vector) };
      ordinal += 1;
    }
    if (performance.now() - reportedAt < progressIntervalMs) continue;
    reportedAt = performance.now();
    deps.progress.report(job, (100 * ordinal) / header.count);
  }
  needs(ordinal === header.count, 'SEALED_VALUE_INVALID');
}
