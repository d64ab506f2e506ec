/** Stage `embed`: from the sealed artefact `chunks` to the sealed artefact `vectors`. */
import { systemPrincipal } from '@wardstone/access';
import {
  encodeVector,
  readChunksArtefact,
  vectorsLineSchema,
  type ChunkLine,
  type StageContext,
  type StageJob,
  type VectorLine,
  type VectorsLine,
} from '@wardstone/queue';
import { AppError, needs } from '@wardstone/rpc';
import type { ObjectRef } from '@wardstone/storage';
import { inBatches, inOrder } from '../domain/in-order.ts';
import { passageText } from '../domain/passage-text.ts';
import type { Deps } from '../ports.ts';

/** Progress is reported at most so often. */
const progressIntervalMs = 1_000;

/**
 * Idempotent: the artefact is written whole or not at all, and one that is there, of this model, is not made again. Memory
 * holds a few batches, whatever the document's size. Thrown: DOCUMENT_NOT_FOUND when the chunks are gone (the document was
 * deleted), so that the stages behind are skipped; transient reasons, for which the queue repeats the job.
 */
export function embedJob(deps: Deps) {
  return async (job: StageJob, { signal }: Pick<StageContext, 'signal'>): Promise<void> => {
    const { tenantId, documentId, version } = job;
    const chunksRef = { tenantId, documentId, version, name: 'chunks' } as const;
    const vectorsRef = { ...chunksRef, name: 'vectors' } as const;
    const count = await countChunks(deps, chunksRef, signal);
    const header: VectorsLine = { kind: 'vectors', modelId: deps.model.id, dimensions: deps.model.dimensions, count };
    if (!(await isDone(deps, vectorsRef, header, signal))) {
      deps.progress.report(job, 0);
      await deps.objects.writeJsonLines(vectorsRef, vectorLines(deps, job, chunksRef, header, signal), { signal });
    }
    await deps.auditor.record(
      { principal: systemPrincipal('embedding', tenantId), requestId: job.requestId, signal },
      {
        action: 'document.process',
        resourceType: 'document',
        resourceIds: [documentId],
        outcome: 'success',
        attributes: { stage: 'embed', chunks: String(count), model: deps.model.id },
      },
    );
    deps.progress.report(job, 100);
  };
}

/** The header of `vectors` says how many there are before the first one is made: the chunks are read twice. */
async function countChunks(deps: Pick<Deps, 'objects'>, ref: ObjectRef, signal: AbortSignal): Promise<number> {
  let count = 0;
  for await (const chunk of chunksOf(deps, ref, signal)) count = chunk.line.ordinal + 1;
  return count;
}

async function* chunksOf(
  { objects }: Pick<Deps, 'objects'>,
  ref: ObjectRef,
  signal: AbortSignal,
): AsyncGenerator<{ readonly line: ChunkLine; readonly title: string }> {
  let title = '';
  try {
    for await (const line of readChunksArtefact(objects.readJsonLines(ref, { signal }))) {
      if (line.kind === 'chunk') {
        yield { line, title };
        continue;
      }
      needs(line.documentId === ref.documentId && line.version === ref.version, 'SEALED_VALUE_INVALID');
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
  ref: ObjectRef,
  wanted: VectorsLine,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(await objects.exists(ref))) return false;
  for await (const line of objects.readJsonLines(ref, { signal })) {
    const header = vectorsLineSchema.safeParse(line);
    return header.success && header.data.modelId === wanted.modelId && header.data.count === wanted.count;
  }
  return false;
}

async function* vectorLines(
  deps: Deps,
  job: StageJob,
  ref: ObjectRef,
  header: VectorsLine,
  signal: AbortSignal,
): AsyncGenerator<VectorsLine | VectorLine> {
  yield header;
  const batches = inBatches(chunksOf(deps, ref, signal), deps.limits.batchTexts);
  const embedded = inOrder(batches, deps.limits.maxCalls, async (batch) =>
    deps.model.embed(batch.map(passageText), 'passage', signal),
  );
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
