/** The two artefacts of a document, read side by side. */
import {
  readChunksArtefact,
  readVectorsArtefact,
  type ChunkLine,
  type DocumentLine,
  type StageJob,
  type VectorsLine,
} from '@wardstone/queue';
import { AppError, needs } from '@wardstone/rpc';
import type { SealedObjects } from '@wardstone/storage';
import { embeddingDimensions, isUnit } from '../domain/chunk.ts';

/** A chunk with its vector. */
export interface EmbeddedChunk {
  readonly chunk: ChunkLine;
  readonly vector: Float32Array;
}

/** What the artefacts say of the document, and its chunks as a stream. */
export interface EmbeddedDocument {
  readonly document: DocumentLine;
  readonly header: VectorsLine;
  /** In order. Thrown while reading: INTERNAL when chunks and vectors do not belong together. */
  readonly chunks: AsyncGenerator<EmbeddedChunk>;
  /** Stops reading. */
  close(): Promise<void>;
}

/**
 * Opens both artefacts. Thrown: DOCUMENT_NOT_FOUND when one is gone (the document was deleted), INTERNAL when one is not of
 * this document or not what its stage promises.
 */
export async function openArtefacts(
  objects: Pick<SealedObjects, 'readJsonLines'>,
  job: StageJob,
  signal: AbortSignal,
): Promise<EmbeddedDocument> {
  const ref = { tenantId: job.tenantId, documentId: job.documentId, version: job.version };
  const chunks = readChunksArtefact(objects.readJsonLines({ ...ref, name: 'chunks' }, { signal }));
  const vectors = readVectorsArtefact(objects.readJsonLines({ ...ref, name: 'vectors' }, { signal }));
  const close = async (): Promise<void> => {
    await Promise.allSettled([chunks.return(undefined), vectors.return(undefined)]);
  };
  try {
    const document = await first(chunks);
    const header = await first(vectors);
    needs(document?.kind === 'document' && header && 'kind' in header, 'INTERNAL', mismatch('header'));
    const isOfJob = document.documentId === job.documentId && document.version === job.version;
    needs(isOfJob, 'INTERNAL', mismatch('document'));
    needs(header.dimensions === embeddingDimensions, 'INTERNAL', mismatch('dimensions'));
    return { document, header, chunks: pairs(chunks, vectors), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function first<T>(lines: AsyncGenerator<T>): Promise<T | undefined> {
  const step = await lines.next().catch(gone);
  return step.done === true ? undefined : step.value;
}

async function* pairs(
  chunks: AsyncGenerator<DocumentLine | ChunkLine>,
  vectors: AsyncGenerator<VectorsLine | { readonly ordinal: number; readonly vector: Float32Array }>,
): AsyncGenerator<EmbeddedChunk> {
  for (;;) {
    const [chunk, vector] = await Promise.all([chunks.next(), vectors.next()]);
    if (chunk.done === true && vector.done === true) return;
    needs(chunk.done !== true && chunk.value.kind === 'chunk', 'INTERNAL', mismatch('count'));
    needs(vector.done !== true && 'vector' in vector.value, 'INTERNAL', mismatch('count'));
    needs(chunk.value.ordinal === vector.value.ordinal, 'INTERNAL', mismatch('ordinal'));
    needs(isUnit(vector.value.vector), 'INTERNAL', mismatch('length'));
    yield { chunk: chunk.value, vector: vector.value.vector };
  }
}

function mismatch(what: string): { readonly message: string } {
  return { message: `chunks and vectors do not belong together: ${what}` };
}

function gone(error: unknown): never {
  throw AppError.from(error).reason === 'NOT_FOUND' ? new AppError('DOCUMENT_NOT_FOUND', { cause: error }) : error;
}
