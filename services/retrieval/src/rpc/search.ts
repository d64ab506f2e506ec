import type { HandlerContext } from '@connectrpc/connect';
import { ifReadable } from '@wardstone/crypto';
import { callContext, createSlots, tenantOf, tenantShare, type CallContext } from '@wardstone/rpc';
import type { SearchRequest } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { openLabels, openPassage, openTitle } from '../adapters/seals.ts';
import type { LostRows } from '../db/lost-rows.ts';
import { chunkIdOf, type Passage } from '../domain/chunk.ts';
import { createLastModels, type LastModels } from '../domain/last-models.ts';
import type { DocumentLabels } from '../domain/labels.ts';
import type { Deps } from '../ports.ts';
import { type AskedBy, type Candidate, findCandidates } from './find-candidates.ts';
import type { Damage } from './keyword-candidates.ts';

type SearchDeps = Pick<Deps, 'database' | 'keys' | 'vectors' | 'vectorSteps' | 'auditor' | 'metrics' | 'limits'>;

const defaultTopK = 8;
/** Rows fetched beyond what was asked for, to take the places of damaged ones. */
const spareRows = 16;
/** Ids in one log line at most. */
const maxLoggedIds = 20;

interface OpenHit extends Candidate {
  readonly chunkId: string;
  readonly title: string;
  readonly labels: DocumentLabels;
  readonly passage: Passage;
}

/**
 * The chunks that answer a question best, by its words and by its meaning. The event of the search is durable before a word of
 * a document leaves. A search holds a slot of its tenant until its work has ended, also when nobody waits for the answer any more:
 * what is bounded is the work. A caller who goes stops it before its next step.
 */
export function search(deps: SearchDeps) {
  const { maxSearches, tenantSlotPercent } = deps.limits;
  const slots = createSlots(tenantShare(maxSearches, tenantSlotPercent));
  const lastModels = createLastModels();
  return async (request: SearchRequest, context: HandlerContext) => {
    const call = callContext(context);
    const release = slots.take(tenantOf(call));
    deps.metrics.searching(1);
    try {
      return await searchOne(deps, lastModels, request, call);
    } finally {
      deps.metrics.searching(-1);
      release();
    }
  };
}

async function searchOne(deps: SearchDeps, lastModels: LastModels, request: SearchRequest, call: CallContext) {
  const tenantId = tenantOf(call);
  const topK = request.topK === 0 ? defaultTopK : request.topK;

  const embed = async (modelId: string | undefined): Promise<AskedBy> => {
    const embedded = await timed(deps, 'embed', () => deps.vectors.vectorOf(request.query, call, modelId));
    return embedded ?? { modelId, vector: undefined };
  };
  const asked = await embed(lastModels.of(tenantId));
  call.signal.throwIfAborted();
  const documentIds = request.documentIds.map((id) => id.toLowerCase());
  const filters = request.filters.map(({ field, value }) => ({ field, value }));
  const question = { tenantId, text: request.query, asked, embed, documentIds, filters };
  const wanted = { ...question, limit: topK + spareRows, signal: call.signal };
  const found = await timed(deps, 'scan', () => findCandidates(deps, wanted));
  call.signal.throwIfAborted();
  reportDamage(deps, call, found.damage);
  lastModels.note(tenantId, found.tenantModelId);
  if (found.modelId === undefined) reportUnserved(deps, call, found.tenantModelId);
  if (found.leftOutWords > 0) deps.metrics.leftOutWords(found.leftOutWords);
  const { hits, unreadable: unopened } = await timed(deps, 'open', () => openBest(deps, call, found.hits, topK));
  const unreadable = unopened + reportLost(deps, call, found.lost, found.hits);

  await deps.auditor.record(call, {
    action: 'search.read',
    resourceType: 'document',
    resourceIds: [...new Set(hits.map(({ documentId }) => documentId))],
    outcome: 'success',
    attributes: {
      hits: String(hits.length),
      unreadable: String(unreadable),
      top_k: String(topK),
      model: found.modelId ?? 'none',
    },
  });
  return { hits: hits.map(toWire), unreadableChunks: unreadable };
}

/** Better an answer by words alone than none; the tenant's vectors are compared again once its model is served, or was changed. */
function reportUnserved({ metrics }: SearchDeps, { log }: CallContext, modelId: string | undefined): void {
  metrics.wordsOnly();
  log.warn({ model: modelId }, 'the model of the tenant’s vectors is not served: a search went by words alone');
}

/** Damaged postings take chunks from the ranking by words alone. Ids only: there is nothing else in them. */
function reportDamage({ metrics }: SearchDeps, { log }: CallContext, { documentIds, segmentVersions }: Damage): void {
  if (documentIds.length + segmentVersions.size === 0) return;
  metrics.damagedPostings(documentIds.length + segmentVersions.size);
  log.error({ documentIds, termsKeyVersions: [...segmentVersions] }, 'postings could not be read');
}

/**
 * Tells of rows under versions that there is no key of, by ids; gives the chunks that were not found for that. Those that were found
 * by their words all the same do not count.
 */
function reportLost(
  { metrics }: SearchDeps,
  { log }: CallContext,
  lost: LostRows,
  found: readonly Candidate[],
): number {
  const { chunks, vectorKeyVersions, termsKeyVersions, documentIds } = lost;
  if (vectorKeyVersions.length + termsKeyVersions.length === 0) return 0;
  const concerned = [...new Set([...documentIds, ...chunks.map(({ documentId }) => documentId)])];
  log.error(
    { vectorKeyVersions, termsKeyVersions, documentIds: concerned.slice(0, maxLoggedIds) },
    'rows are under key versions that there is no key of',
  );
  metrics.damagedPostings(documentIds.length);
  const foundIds = new Set(found.map(chunkIdOf));
  const missing = chunks.filter((chunk) => !foundIds.has(chunkIdOf(chunk))).length;
  if (missing > 0) metrics.unreadable(missing);
  return missing;
}

/** Opens the best rows; where one is damaged, the next one takes its place. */
async function openBest(deps: SearchDeps, call: CallContext, found: readonly Candidate[], topK: number) {
  const hits: OpenHit[] = [];
  let unreadable = 0;
  for (let at = 0; at < found.length && hits.length < topK;) {
    const next = found.slice(at, at + topK - hits.length);
    at += next.length;
    const opened = await Promise.all(next.map((hit) => openHit(deps, call, hit)));
    const readable = opened.filter((hit) => hit !== undefined);
    unreadable += next.length - readable.length;
    hits.push(...readable);
  }
  if (unreadable > 0) deps.metrics.unreadable(unreadable);
  return { hits, unreadable };
}

/** The hit, or undefined when its row is damaged: one bad row must not take the others with it. */
async function openHit({ keys }: SearchDeps, call: CallContext, hit: Candidate): Promise<OpenHit | undefined> {
  const tenantId = tenantOf(call);
  const chunkId = chunkIdOf(hit);
  const opened = await ifReadable(
    Promise.all([
      openPassage(keys, tenantId, hit, hit.passageSealed),
      openTitle(keys, tenantId, hit.documentId, hit.titleSealed),
      openLabels(keys, tenantId, hit.documentId, hit.labelsSealed),
    ]),
  );
  if (opened === undefined) {
    call.log.error({ documentId: hit.documentId, version: hit.version, chunkId }, 'a chunk could not be opened');
    return undefined;
  }
  const [passage, title, labels] = opened;
  return { ...hit, chunkId, passage, title, labels };
}

function toWire({ chunkId, documentId, version, title, passage, labels, ...scores }: OpenHit) {
  const { text, pageStart, pageEnd, charStart, charEnd, pageBreaks } = passage;
  return {
    chunkId,
    documentId,
    version,
    documentTitle: title,
    text,
    span: { pageStart, pageEnd, charStart, charEnd },
    score: scores.score,
    keywordScore: scores.keywordScore,
    fusedScore: scores.fusedScore,
    labels: [...labels.labels],
    metadata: { ...labels.metadata },
    pageBreaks: pageBreaks.map(({ page, chunkOffset }) => ({ page, chunkOffset })),
  };
}

async function timed<T>({ metrics }: SearchDeps, step: 'embed' | 'scan' | 'open', work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const result = await work();
  metrics.searched(step, (performance.now() - startedAt) / 1_000);
  return result;
}
