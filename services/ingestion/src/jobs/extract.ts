/** Stage `extract`: from the original to the sealed artefact `chunks`. */
import { systemPrincipal } from '@wardstone/access';
import { chunksArtefact, type ChunkLine, type DocumentLine, type StageContext, type StageJob } from '@wardstone/queue';
import { AppError, needs } from '@wardstone/rpc';
import { openDocument } from '../adapters/document-seals.ts';
import { advance, find, markExtracted } from '../db/documents.ts';
import { pendingStates } from '../domain/document.ts';
import type { SealedDocument } from '../domain/document.ts';
import type { MediaType } from '../domain/media-type.ts';
import { extractDocument } from '../extraction/extract-document.ts';
import type { ExtractedText } from '../extraction/process.ts';
import type { Deps } from '../ports.ts';

type ExtractDeps = Pick<
  Deps,
  'database' | 'auditor' | 'gate' | 'keys' | 'objects' | 'settings' | 'pool' | 'metrics' | 'limits' | 'log'
>;

/** Progress is written at most so often. */
const progressIntervalMs = 1_000;

/**
 * Idempotent: the same original and settings give the same artefact, and one that is there is not made again. Thrown: the
 * reason for which the document has no usable text; DOCUMENT_NOT_FOUND when it was deleted or has ended, so that the
 * stages behind are skipped; transient reasons, for which the queue repeats the job: TENANT_SUSPENDED and TENANT_OFFBOARDING
 * are such, for the job of a closed tenant waits.
 */
export function extractJob(deps: ExtractDeps) {
  return async (job: StageJob, context: Pick<StageContext, 'signal'>): Promise<void> => {
    deps.gate.check(job.tenantId);
    const document = await pendingDocument(deps, job);
    const ref = { tenantId: job.tenantId, documentId: job.documentId, version: job.version, name: 'chunks' } as const;
    if (document.chunkCount > 0 && (await deps.objects.exists(ref))) return;
    const sizes = await deps.settings.chunkSizes(job.tenantId, context.signal);
    needs(document.sizeBytes <= deps.limits.maxExtractBytes, 'TEXT_TOO_LARGE');
    const original = openOriginal(deps, job, context.signal);
    const { tenantId, sizeBytes: bytes } = document;
    const mediaType = document.mediaType as MediaType;
    const counts = await extractDocument(
      { tenantId, mediaType, bytes, body: original.body },
      { pool: deps.pool, sizes, signal: context.signal, onProgress: progressWriter(deps, document) },
      (text) => writeArtefact(deps, document, text, job, context.signal),
    );
    const known = await deps.database.inTenant(job.tenantId, (tx) => markExtracted(tx, job, counts));
    if (!known) {
      // Deleted while it was read: the artefact has no owner any more.
      await deps.objects.remove(ref);
      throw new AppError('DOCUMENT_NOT_FOUND');
    }
    deps.metrics.extracted(mediaType, counts.pageCount, (performance.now() - original.openedAt()) / 1000);
  };
}

async function pendingDocument(deps: Pick<Deps, 'database'>, job: StageJob): Promise<SealedDocument> {
  const document = await deps.database.inTenant(job.tenantId, (tx) => find(tx, job.documentId, pendingStates));
  needs(document !== undefined && document.version === job.version, 'DOCUMENT_NOT_FOUND');
  return document;
}

interface OpenedOriginal {
  readonly body: AsyncIterable<Uint8Array>;
  /** When a process was free for it, on the clock of `performance.now`. */
  openedAt(): number;
}

/** The original, opened when it is read: a job may wait long for a process, and the store is not kept waiting with it. */
function openOriginal(deps: ExtractDeps, job: StageJob, signal: AbortSignal): OpenedOriginal {
  const { tenantId, documentId, version } = job;
  let openedAt = 0;
  async function* body(): AsyncGenerator<Uint8Array> {
    openedAt = performance.now();
    // It may have been deleted in the meantime.
    await pendingDocument(deps, job);
    await deps.database.inTenant(tenantId, (tx) => advance(tx, job, 'EXTRACTING', 0));
    const original = await deps.objects
      .read({ tenantId, documentId, version, name: 'original' }, { signal })
      .catch(lostOriginal);
    try {
      yield* original as AsyncIterable<Buffer>;
    } finally {
      original.destroy();
    }
  }
  return { body: body(), openedAt: () => openedAt };
}

/** An original that is missing although its row is there was lost by the store: repeating the job will not bring it back. */
function lostOriginal(error: unknown): never {
  throw AppError.from(error).reason === 'NOT_FOUND' ? new AppError('SEALED_VALUE_INVALID', { cause: error }) : error;
}

/** Writes progress now and then, and does not wait for it: a lost step is nothing. */
function progressWriter(deps: Pick<Deps, 'database' | 'log'>, document: SealedDocument): (share: number) => void {
  let writtenAt = performance.now();
  return (share) => {
    if (performance.now() - writtenAt < progressIntervalMs) return;
    writtenAt = performance.now();
    deps.database
      .inTenant(document.tenantId, (tx) => advance(tx, document, 'EXTRACTING', share * 100))
      .catch((error: unknown) => {
        deps.log.debug({ err: error, documentId: document.documentId }, 'progress was not written');
      });
  };
}

/** Seals and writes the chunks as they come; none of it is written before the audit log has the event. */
async function writeArtefact(
  deps: ExtractDeps,
  document: SealedDocument,
  text: ExtractedText,
  job: StageJob,
  signal: AbortSignal,
): Promise<{ readonly pageCount: number; readonly chunkCount: number }> {
  const { tenantId, documentId, version, mediaType } = document;
  const { pageCount, charCount, chunkCount } = text;
  await deps.auditor.record(
    { principal: systemPrincipal('ingestion', tenantId), requestId: job.requestId, signal },
    {
      action: 'document.process',
      resourceType: 'document',
      resourceIds: [documentId],
      outcome: 'success',
      attributes: { stage: 'extract', pages: String(pageCount), chunks: String(chunkCount) },
    },
  );
  const { title, fileName, labels, metadata } = await openDocument(deps.keys, document);
  const names = { title, fileName, labels, metadata };
  const header = { kind: 'document', documentId, version, ...names, pageCount, charCount, mediaType } as const;
  const ref = { tenantId, documentId, version, name: 'chunks' } as const;
  await deps.objects.writeJsonLines(ref, artefactLines(header, text.chunks), { signal });
  return { pageCount, chunkCount };
}

/** The lines of `chunksArtefact`, whose chunks come one after the other and were checked on their way in. */
async function* artefactLines(header: DocumentLine, chunks: AsyncIterable<ChunkLine>): AsyncGenerator<unknown> {
  yield* chunksArtefact(header, []);
  yield* chunks;
}
