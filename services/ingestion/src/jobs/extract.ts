/** Stage `extract`: from the original to the sealed artefact `chunks`. */
import { systemPrincipal } from '@wardstone/access';
import { chunksArtefact, type StageContext, type StageJob } from '@wardstone/queue';
import { AppError, needs } from '@wardstone/rpc';
import { openDocument } from '../adapters/document-seals.ts';
import { advance, find, markExtracted } from '../db/documents.ts';
import { chunkDocument, type Chunk } from '../domain/chunking.ts';
import { pendingStates } from '../domain/document.ts';
import type { SealedDocument } from '../domain/document.ts';
import type { DocumentText } from '../domain/document-text.ts';
import type { MediaType } from '../domain/media-type.ts';
import { extractDocument } from '../extraction/extract-document.ts';
import type { Deps } from '../ports.ts';

type ExtractDeps = Pick<
  Deps,
  'database' | 'auditor' | 'keys' | 'objects' | 'settings' | 'pool' | 'metrics' | 'limits' | 'log'
>;

/** Progress is written at most so often. */
const progressIntervalMs = 1_000;

/**
 * Idempotent: the same original and settings give the same artefact, and one that is there is not made again. Thrown: the
 * reason for which the document has no usable text; DOCUMENT_NOT_FOUND when it was deleted or has ended, so that the
 * stages behind are skipped; transient reasons, for which the queue repeats the job.
 */
export function extractJob(deps: ExtractDeps) {
  return async (job: StageJob, context: Pick<StageContext, 'signal'>): Promise<void> => {
    const document = await pendingDocument(deps, job);
    const ref = { tenantId: job.tenantId, documentId: job.documentId, version: job.version, name: 'chunks' } as const;
    if (document.chunkCount > 0 && (await deps.objects.exists(ref))) return;
    await deps.database.inTenant(job.tenantId, (tx) => advance(tx, job, 'EXTRACTING', 0));

    const startedAt = performance.now();
    const text = await readText(deps, document, context.signal);
    const chunks: Chunk[] = [];
    const sizes = await deps.settings.chunkSizes(job.tenantId, context.signal);
    for await (const chunk of chunkDocument(text, sizes)) chunks.push(chunk);
    await deps.auditor.record(
      { principal: systemPrincipal('ingestion', job.tenantId), requestId: job.requestId, signal: context.signal },
      {
        action: 'document.process',
        resourceType: 'document',
        resourceIds: [job.documentId],
        outcome: 'success',
        attributes: { stage: 'extract', pages: String(text.pageCount), chunks: String(chunks.length) },
      },
    );
    const lines = artefactLines(await openDocument(deps.keys, document), text, chunks);
    await deps.objects.writeJsonLines(ref, lines, { signal: context.signal });
    const counts = { pageCount: text.pageCount, chunkCount: chunks.length };
    const known = await deps.database.inTenant(job.tenantId, (tx) => markExtracted(tx, job, counts));
    if (!known) {
      // Deleted while it was read: the artefact has no owner any more.
      await deps.objects.remove(ref);
      throw new AppError('DOCUMENT_NOT_FOUND');
    }
    deps.metrics.extracted(document.mediaType, text.pageCount, (performance.now() - startedAt) / 1000);
  };
}

async function pendingDocument(deps: Pick<Deps, 'database'>, job: StageJob): Promise<SealedDocument> {
  const document = await deps.database.inTenant(job.tenantId, (tx) => find(tx, job.documentId, pendingStates));
  needs(document !== undefined && document.version === job.version, 'DOCUMENT_NOT_FOUND');
  return document;
}

async function readText(deps: ExtractDeps, document: SealedDocument, signal: AbortSignal): Promise<DocumentText> {
  const { tenantId, documentId, version, sizeBytes } = document;
  needs(sizeBytes <= deps.limits.maxExtractBytes, 'TEXT_TOO_LARGE');
  const ref = { tenantId, documentId, version, name: 'original' } as const;
  const original = await deps.objects.read(ref, { signal }).catch(lostOriginal);
  try {
    return await extractDocument(
      {
        tenantId,
        mediaType: document.mediaType as MediaType,
        bytes: sizeBytes,
        body: original as AsyncIterable<Buffer>,
      },
      { pool: deps.pool, maxChars: deps.limits.maxTextChars, signal, onProgress: progressWriter(deps, document) },
    );
  } finally {
    original.destroy();
  }
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

function artefactLines(
  document: { documentId: string; version: number; title: string; fileName: string; mediaType: string },
  text: DocumentText,
  chunks: readonly Chunk[],
): Iterable<string> {
  const { documentId, version, title, fileName, mediaType } = document;
  return chunksArtefact(
    {
      kind: 'document',
      documentId,
      version,
      title,
      fileName,
      pageCount: text.pageCount,
      charCount: text.text.length,
      mediaType,
    },
    chunks.map((chunk) => ({ kind: 'chunk', ...chunk })),
  );
}
