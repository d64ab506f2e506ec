/** Stage `index`: from the artefacts `chunks` and `vectors` to the rows that searches see. */
import { systemPrincipal } from '@wardstone/access';
import { keyVersionOfSealed, type KeyRing } from '@wardstone/crypto';
import { inBatches, type StageContext, type StageJob } from '@wardstone/queue';
import { AppError, needs } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import { createKeywordWriter } from '../adapters/keyword-writer.ts';
import { sealLabels, sealPassage, sealTitle } from '../adapters/seals.ts';
import { currentTerms } from '../adapters/tenant-terms.ts';
import { currentVersion } from '../adapters/current-version.ts';
import { currentSpace, type TenantSpace } from '../adapters/tenant-space.ts';
import {
  insertChunks,
  insertVectors,
  isRemoved,
  liveVersion,
  lockDocument,
  type NewChunk,
  replaceDocument,
} from '../db/documents.ts';
import { replaceFilters } from '../db/keywords.ts';
import type { KeyVersions } from '../db/reseal.ts';
import {
  lockOrBeginTenantModel,
  readTenantModel,
  type TenantModel,
  unsettle,
  wantedModels,
} from '../db/tenant-model.ts';
import { searchableText } from '../domain/analyse.ts';
import { type DocumentLabels, filtersOf } from '../domain/labels.ts';
import type { Deps } from '../ports.ts';
import { embedOtherwise, type OtherVectors } from './embed-otherwise.ts';
import { type EmbeddedChunk, type EmbeddedDocument, openArtefacts } from './read-artefacts.ts';

type IndexDeps = Pick<Deps, 'database' | 'keys' | 'objects' | 'passages' | 'auditor' | 'progress' | 'metrics' | 'log'>;

/** Rows of one insert: about half a megabyte. */
const batchRows = 64;
/** A tenant's model is changed now and then; a job that finds it changed more often is done again by the queue. */
const attempts = 8;

/**
 * Replaces a document's rows in one transaction: a search sees the old version or the new one, and a kill at any point leaves
 * the old one. Idempotent. An older version than the one that is there changes nothing. Memory holds one batch; while the tenant's model
 * is changed, it holds the document's vectors of the other model as well: every chunk has vectors of both from the first moment.
 *
 * Thrown: DOCUMENT_NOT_FOUND when the document was removed, so that nothing is written for it; INTERNAL when the artefacts
 * do not belong together; transient reasons, for which the queue repeats the job.
 */
export function indexJob(deps: IndexDeps) {
  return async (job: StageJob, { signal }: Pick<StageContext, 'signal'>): Promise<void> => {
    const startedAt = performance.now();
    deps.progress.report(job, 0);
    const { count, modelId } = await index(deps, job, signal);
    deps.metrics.indexed(count, (performance.now() - startedAt) / 1_000);
    await deps.auditor.record(
      { principal: systemPrincipal('retrieval', job.tenantId), requestId: job.requestId, signal },
      {
        action: 'document.process',
        resourceType: 'document',
        resourceIds: [job.documentId],
        outcome: 'success',
        attributes: { stage: 'index', chunks: String(count), model: modelId },
      },
    );
    deps.progress.report(job, 100);
  };
}

/** Thrown inside a transaction that has to be given up: vectors of these models, which searches use, are not made yet. */
class ModelsMissing extends Error {
  readonly modelIds: readonly string[];

  constructor(modelIds: readonly string[]) {
    super('vectors of further models are wanted');
    this.modelIds = modelIds;
  }
}

async function index(deps: IndexDeps, job: StageJob, signal: AbortSignal): Promise<EmbeddedDocument['header']> {
  let others: OtherVectors = new Map();
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const artefacts = await openArtefacts(deps.objects, job, signal);
    let missing: readonly string[];
    try {
      const indexing = { job, artefacts, others };
      await deps.database.inTenant(job.tenantId, (tx) => replaceRows(deps, tx, indexing, signal));
      return artefacts.header;
    } catch (error) {
      if (!(error instanceof ModelsMissing)) throw error;
      missing = error.modelIds;
    } finally {
      await artefacts.close();
    }
    others = await embedOtherwise(deps, job, missing, others, signal);
  }
  throw new AppError('MODEL_UNAVAILABLE', { message: 'the model changes faster than a document is indexed' });
}

interface Indexing {
  readonly job: StageJob;
  readonly artefacts: EmbeddedDocument;
  readonly others: OtherVectors;
}

async function replaceRows(
  deps: Pick<Deps, 'keys' | 'progress'>,
  tx: EntityManager,
  { job, artefacts, others }: Indexing,
  signal: AbortSignal,
): Promise<void> {
  const { document, header, chunks } = artefacts;
  const { tenantId, documentId, version } = job;
  await lockDocument(tx, job);
  needs(!(await isRemoved(tx, job)), 'DOCUMENT_NOT_FOUND');
  if (((await liveVersion(tx, job)) ?? 0) > version) return;
  const { modelId, count } = header;
  // A first look, so that nothing is written that has to be given up at the last.
  requireModels((await readTenantModel(tx, tenantId)) ?? { modelId }, modelId, others);
  const space = await currentSpace(deps.keys, tenantId);
  const terms = await currentTerms(deps.keys, tenantId);
  const { title, labels = [], metadata = {} } = document;
  const sealed = await sealedHead(deps.keys, job, title, { labels, metadata });
  const head = { tenantId, documentId, version, termsKeyVersion: terms.keyVersion, chunkCount: count };
  await replaceDocument(tx, { ...head, ...sealed });
  const filters = filtersOf({ labels, metadata }).map((filter) => terms.filter(filter));
  if (filters.length > 0) await replaceFilters(tx, job, terms.keyVersion, filters);

  const keywords = createKeywordWriter(tx, job, terms);
  let [written, content] = [0, sealed.contentKeyVersion];
  for await (const batch of inBatches(chunks, batchRows)) {
    signal.throwIfAborted();
    const rows = await Promise.all(batch.map((embedded) => sealedRow(deps, job, embedded)));
    await insertChunks(tx, head, rows);
    await insertBatchVectors(tx, { job, artefacts, others }, space, batch);
    content = Math.min(content, ...rows.map(({ contentKeyVersion }) => contentKeyVersion));
    for (const { chunk } of batch) await keywords.add(searchableText(title, chunk.text));
    written += batch.length;
    deps.progress.report(job, (99 * written) / count);
  }
  needs(written === count, 'INTERNAL', { message: 'there are fewer chunks than vectors were promised' });
  await keywords.finish();
  await settleModels(tx, tenantId, modelId, others);
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

async function insertBatchVectors(
  tx: EntityManager,
  { job, artefacts, others }: Indexing,
  { keyVersion: vectorKeyVersion, enter }: TenantSpace,
  batch: readonly EmbeddedChunk[],
): Promise<void> {
  const own = batch.map(({ chunk, vector }) => ({ ordinal: chunk.ordinal, vector: enter(vector) }));
  await insertVectors(tx, job, { modelId: artefacts.header.modelId, vectorKeyVersion }, own);
  for (const [modelId, vectors] of others) {
    if (vectors === undefined) continue;
    const made = own.map(({ ordinal }) => {
      const vector = vectors[ordinal];
      return { ordinal, vector: vector === undefined ? undefined : enter(vector) };
    });
    await insertVectors(tx, job, { modelId, vectorKeyVersion }, made);
  }
}

/**
 * Thrown: ModelsMissing, of the model that searches use. One that was asked and is not served is not missing: the document is indexed
 * without. One that is changed to is seen to in the background.
 */
function requireModels(model: Pick<TenantModel, 'modelId'>, artefactModelId: string, others: OtherVectors): void {
  const { modelId } = model;
  if (modelId !== artefactModelId && !others.has(modelId)) throw new ModelsMissing([modelId]);
}

/**
 * The last look before the commit, and from here to there nobody changes the tenant's model: a change waits for this document, and looks at
 * it then. What is written beyond, or is wanted and was not, is seen to afterwards.
 */
async function settleModels(
  tx: EntityManager,
  tenantId: string,
  artefactModelId: string,
  others: OtherVectors,
): Promise<void> {
  const model = await lockOrBeginTenantModel(tx, tenantId, artefactModelId);
  requireModels(model, artefactModelId, others);
  const wanted = wantedModels(model);
  const made = [
    artefactModelId,
    ...[...others].flatMap(([modelId, vectors]) => (vectors === undefined ? [] : [modelId])),
  ];
  const isExact = made.length === wanted.length && made.every((modelId) => wanted.includes(modelId));
  if (!isExact) await unsettle(tx, tenantId);
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
  { chunk }: EmbeddedChunk,
): Promise<NewChunk> {
  const { kind: _kind, ordinal, ...passage } = chunk;
  const passageSealed = await sealPassage(keys, tenantId, { documentId, version, ordinal }, passage);
  return { ordinal, passageSealed, contentKeyVersion: keyVersionOfSealed(passageSealed) };
}
