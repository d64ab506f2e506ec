/** Stage `index`: from the artefacts `chunks` and `vectors` to the rows that searches see. */
import { systemPrincipal } from '@wardstone/access';
import { keyVersionOfSealed, type KeyRing } from '@wardstone/crypto';
import type { StageContext, StageJob } from '@wardstone/queue';
import { needs } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import { createKeywordWriter } from '../adapters/keyword-writer.ts';
import { sealLabels, sealPassage, sealTitle } from '../adapters/seals.ts';
import { currentTerms } from '../adapters/tenant-terms.ts';
import { currentVersion } from '../adapters/current-version.ts';
import { currentSpace, type TenantSpace } from '../adapters/tenant-space.ts';
import { insertChunks, isRemoved, liveVersion, lockDocument, type NewChunk, replaceDocument } from '../db/documents.ts';
import { replaceFilters } from '../db/keywords.ts';
import type { KeyVersions } from '../db/reseal.ts';
import { searchableText } from '../domain/analyse.ts';
import { type DocumentLabels, filtersOf } from '../domain/labels.ts';
import type { Deps } from '../ports.ts';
import { type EmbeddedChunk, type EmbeddedDocument, openArtefacts } from './read-artefacts.ts';

/** Rows of one insert: about half a megabyte. */
const batchRows = 64;

/**
 * Replaces a document's rows in one transaction: a search sees the old version or the new one, and a kill at any point leaves
 * the old one. Idempotent. An older version than the one that is there changes nothing. Memory holds one batch.
 *
 * Thrown: DOCUMENT_NOT_FOUND when the document was removed, so that nothing is written for it; INTERNAL when the artefacts
 * do not belong together; transient reasons, for which the queue repeats the job.
 */
export function indexJob(deps: Pick<Deps, 'database' | 'keys' | 'objects' | 'auditor' | 'progress' | 'metrics'>) {
  return async (job: StageJob, { signal }: Pick<StageContext, 'signal'>): Promise<void> => {
    const startedAt = performance.now();
    deps.progress.report(job, 0);
    const artefacts = await openArtefacts(deps.objects, job, signal);
    try {
      await deps.database.inTenant(job.tenantId, (tx) => replaceRows(deps, tx, job, artefacts, signal));
    } finally {
      await artefacts.close();
    }
    deps.metrics.indexed(artefacts.header.count, (performance.now() - startedAt) / 1_000);
    await deps.auditor.record(
      { principal: systemPrincipal('retrieval', job.tenantId), requestId: job.requestId, signal },
      {
        action: 'document.process',
        resourceType: 'document',
        resourceIds: [job.documentId],
        outcome: 'success',
        attributes: { stage: 'index', chunks: String(artefacts.header.count), model: artefacts.header.modelId },
      },
    );
    deps.progress.report(job, 100);
  };
}

async function replaceRows(
  deps: Pick<Deps, 'keys' | 'progress'>,
  tx: EntityManager,
  job: StageJob,
  { document, header, chunks }: EmbeddedDocument,
  signal: AbortSignal,
): Promise<void> {
  const { tenantId, documentId, version } = job;
  await lockDocument(tx, job);
  needs(!(await isRemoved(tx, job)), 'DOCUMENT_NOT_FOUND');
  if (((await liveVersion(tx, job)) ?? 0) > version) return;
  const { modelId, count } = header;
  const space = await currentSpace(deps.keys, tenantId);
  const terms = await currentTerms(deps.keys, tenantId);
  const { title, labels = [], metadata = {} } = document;
  const sealed = await sealedHead(deps.keys, job, title, { labels, metadata });
  const head = { tenantId, documentId, version, termsKeyVersion: terms.keyVersion, chunkCount: count, modelId };
  await replaceDocument(tx, { ...head, ...sealed });
  const filters = filtersOf({ labels, metadata }).map((filter) => terms.filter(filter));
  if (filters.length > 0) await replaceFilters(tx, job, terms.keyVersion, filters);

  const keywords = createKeywordWriter(tx, job, terms);
  let [written, content] = [0, sealed.contentKeyVersion];
  for await (const batch of batches(chunks)) {
    signal.throwIfAborted();
    const rows = await Promise.all(batch.map((embedded) => sealedRow(deps, job, space, embedded)));
    await insertChunks(tx, head, rows);
    content = Math.min(content, ...rows.map(({ contentKeyVersion }) => contentKeyVersion));
    for (const { chunk } of batch) await keywords.add(searchableText(title, chunk.text));
    written += batch.length;
    deps.progress.report(job, (99 * written) / count);
  }
  needs(written === count, 'INTERNAL', { message: 'there are fewer chunks than vectors were promised' });
  await keywords.finish();
  await requireCurrent(deps.keys, tenantId, { content, vectors: space.keyVersion, terms: terms.keyVersion });
  // Whoever took the job over writes; a worker that lost it does not.
  signal.throwIfAborted();
}

/**
 * A rotation that began while this ran may count what is left before this commits, and then retire a version that these rows are
 * under: the job is done again. (Between this look and the commit lies less than the margin that tenant-key waits.)
 */
async function requireCurrent(keys: KeyRing, tenantId: string, written: KeyVersions): Promise<void> {
  for (const purpose of ['content', 'vectors', 'terms'] as const) {
    const version = await currentVersion(keys, tenantId, purpose);
    needs(version === written[purpose], 'KEY_UNAVAILABLE', {
      message: `the key of ${purpose} was rotated while the document was indexed`,
    });
  }
}

/** Title and labels, sealed; and the older of the two versions, should the key have changed between them. */
async function sealedHead(keys: KeyRing, { tenantId, documentId }: StageJob, title: string, labels: DocumentLabels) {
  const titleSealed = await sealTitle(keys, tenantId, documentId, title);
  const labelsSealed = await sealLabels(keys, tenantId, documentId, labels);
  const versions = [titleSealed, ...(labelsSealed === undefined ? [] : [labelsSealed])].map(keyVersionOfSealed);
  return { titleSealed, labelsSealed, contentKeyVersion: Math.min(...versions) };
}

async function sealedRow(
  { keys }: Pick<Deps, 'keys'>,
  { tenantId, documentId, version }: StageJob,
  space: TenantSpace,
  { chunk, vector }: EmbeddedChunk,
): Promise<NewChunk> {
  const { kind: _kind, ordinal, ...passage } = chunk;
  const passageSealed = await sealPassage(keys, tenantId, { documentId, version, ordinal }, passage);
  return {
    ordinal,
    passageSealed,
    contentKeyVersion: keyVersionOfSealed(passageSealed),
    vector: space.enter(vector),
    vectorKeyVersion: space.keyVersion,
  };
}

async function* batches(chunks: AsyncIterable<EmbeddedChunk>): AsyncGenerator<EmbeddedChunk[]> {
  let batch: EmbeddedChunk[] = [];
  for await (const chunk of chunks) {
    batch.push(chunk);
    if (batch.length < batchRows) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
