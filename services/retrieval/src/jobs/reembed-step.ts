/**
 * One step of giving a tenant's chunks vectors of the model that it is to use: a page of passages is embedded, or searches go over to
 * the model, or vectors of other models are removed. A kill at any instruction costs one page at most.
 */
import { recordThen, systemPrincipal } from '@wardstone/access';
import { tryLock } from '@wardstone/db';
import { needs } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import {
  countVectors,
  isLacking,
  readLacking,
  removeNone,
  removeVectors,
  storedModels,
  type VectorCounts,
} from '../db/reembed.ts';
import {
  lockTenantModel,
  readTenantModel,
  settle,
  switchModel,
  type TenantModel,
  wantedModels,
} from '../db/tenant-model.ts';
import { beforeAllChunks, chunkIdOf, type ChunkKey } from '../domain/chunk.ts';
import { type Deps, maxTextsPerCall } from '../ports.ts';
import { type EmbedPage, embedPage, isModelWell, writeNone } from './embed-page.ts';

export type ReembedDeps = Pick<Deps, 'database' | 'keys' | 'passages' | 'auditor' | 'metrics' | 'log'>;

/** Rows that one transaction removes at most; about 8 MB. */
const removedRows = 4_000;

/** A page that takes longer is given up, and what is missing comes with the next: a transaction that idles is ended after a minute. */
const maxPageMs = 45_000;

/** What a step needs beside the tenant's own state. */
export interface StepOptions {
  /** The model that documents are embedded with. Its vectors are never removed. */
  readonly currentModelId: string;
  /** Vectors that nobody uses are left so long, in case that the change is taken back. */
  readonly keepOldMs: number;
  /** Until a model that makes nothing of too many passages is asked again for those. */
  readonly askAgainMs: number;
  readonly signal: AbortSignal;
}

/**
 * Documents written so long before a look at all of them are known to it: what is looked at again, with the tenant's row locked, are
 * those that came later. More than the clocks of processes differ and than indexing a document takes.
 */
const marginMs = 900_000;

/** Chunks that the next model makes nothing of, beyond those of the model in use, with which searches do not go over to it. */
const maxNewNone = 8;
const maxNewNonePercent = 1;

/** Where a tenant's next page begins, and how it went so far. A new one may begin anywhere. */
export interface Cursor {
  modelId: string;
  after: ChunkKey;
  /** Passages of the next page: fewer after a page that failed, so that one passage does not hold up the others for ever. */
  pageTexts: number;
  /** How often the passage that was alone on its page has failed. */
  readonly alone: { chunk: string; failures: number };
  /** When the next model made nothing of too many, by `performance.now()`. */
  refusedAtMs: number | undefined;
}

export function newCursor(): Cursor {
  return {
    ...{ modelId: '', after: beforeAllChunks, pageTexts: maxTextsPerCall },
    ...{ alone: { chunk: '', failures: 0 }, refusedAtMs: undefined },
  };
}

/** A passage that failed so often by itself, while the model takes another text, is to blame itself. */
const maxAloneFailures = 3;

/** `more`: there is more to do at once; `later`: not yet; `done`: there is nothing to do, or another process is at it. */
export type StepOutcome = 'more' | 'later' | 'done';

/**
 * One process at a time does it for a tenant: nothing is paid twice. The lock is held in a transaction of its own, which waits
 * while passages are embedded, and sees and writes nothing. Thrown: what the keys, the model and the database say.
 */
export async function reembedStep(
  deps: ReembedDeps,
  tenantId: string,
  cursor: Cursor,
  options: StepOptions,
): Promise<StepOutcome> {
  return deps.database.inPlatform(async (locking) => {
    if (!(await tryLock(locking, `retrieval-reembed/${tenantId}`))) return 'done';
    const state = await deps.database.inTenant(tenantId, (tx) => readTenantModel(tx, tenantId));
    if (state === undefined || state.isSettled) return 'done';
    if (await fillPage(deps, tenantId, state, cursor, options.signal)) return 'more';
    if (state.nextModelId !== undefined)
      return (await trySwitch(deps, tenantId, state, cursor, options)) ? 'more' : 'later';
    return tidy(deps, tenantId, state, options);
  });
}

/** False when the last page has been read. Of two models only the one to come is made: the other one is about to go. */
async function fillPage(
  deps: ReembedDeps,
  tenantId: string,
  { modelId: used, nextModelId: modelId = used }: TenantModel,
  cursor: Cursor,
  signal: AbortSignal,
): Promise<boolean> {
  if (cursor.modelId !== modelId) Object.assign(cursor, newCursor(), { modelId });
  const isFirstPage = cursor.after === beforeAllChunks;
  if (isFirstPage && !(await deps.database.inTenant(tenantId, (tx) => isLacking(tx, tenantId, modelId)))) return false;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(maxPageMs)]);
  for (;;) {
    const page = await deps.database.inTenant(tenantId, (tx) =>
      readLacking(tx, tenantId, modelId, { after: cursor.after, maxChunks: cursor.pageTexts }),
    );
    // Also when it fails: those behind it are not kept waiting, and it comes again.
    cursor.after = page.after ?? beforeAllChunks;
    if (page.chunks.length > 0)
      await embedOrNarrow(deps, { tenantId, modelId, chunks: page.chunks, signal: bounded }, cursor);
    if (page.chunks.length > 0) return true;
    if (page.after === undefined) return false;
    bounded.throwIfAborted();
  }
}

/** Thrown: as `embedPage`; the next page is smaller then. */
async function embedOrNarrow(deps: ReembedDeps, page: EmbedPage, cursor: Cursor): Promise<void> {
  try {
    await embedPage(deps, page);
    cursor.pageTexts = Math.min(maxTextsPerCall, cursor.pageTexts * 2);
  } catch (error) {
    cursor.pageTexts = Math.max(1, Math.floor(cursor.pageTexts / 4));
    const [chunk] = page.chunks;
    if (page.signal.aborted || chunk === undefined || page.chunks.length > 1) throw error;
    const { alone } = cursor;
    const id = chunkIdOf(chunk);
    alone.failures = alone.chunk === id ? alone.failures + 1 : 1;
    alone.chunk = id;
    if (alone.failures < maxAloneFailures || !(await isModelWell(deps, page))) throw error;
    await writeNone(deps, page);
  }
}

/**
 * Searches use the next model from here on, if every chunk has what can be had of it. The event is recorded first, with no
 * transaction open meanwhile; then the tenant's row is locked and everything is looked at once more.
 */
async function trySwitch(
  deps: ReembedDeps,
  tenantId: string,
  { modelId: from, nextModelId: to }: TenantModel,
  cursor: Cursor,
  { askAgainMs, signal }: StepOptions,
): Promise<boolean> {
  if (to === undefined) return false;
  const { database } = deps;
  const isReady = async (tx: EntityManager, state: TenantModel | undefined, since?: Date): Promise<boolean> =>
    state?.modelId === from && state.nextModelId === to && !(await isLacking(tx, tenantId, to, since));
  const since = new Date(Date.now() - marginMs);
  const counts = await database.inTenant(tenantId, async (tx) =>
    (await isReady(tx, await readTenantModel(tx, tenantId)))
      ? { used: await countVectors(tx, tenantId, from), next: await countVectors(tx, tenantId, to) }
      : undefined,
  );
  if (counts === undefined) return false;
  if (makesTooLittle(counts.used, counts.next)) {
    tellOfRefusal(deps, tenantId, { from, to, ...counts });
    const nowMs = performance.now();
    cursor.refusedAtMs ??= nowMs;
    if (nowMs - cursor.refusedAtMs < askAgainMs) return false;
    cursor.refusedAtMs = nowMs;
    await database.inTenant(tenantId, (tx) => removeNone(tx, tenantId, to));
    return false;
  }
  const unreadable = counts.next.none;
  let isOvertaken = false;
  const change = (): Promise<void> =>
    database.inTenant(tenantId, async (tx) => {
      // A document was written meanwhile, or the current model was changed once more: the next pass sees to it.
      isOvertaken = !(await isReady(tx, await lockTenantModel(tx, tenantId), since));
      needs(!isOvertaken, 'CANCELLED', { message: 'the index was changed while the switch was recorded' });
      await switchModel(tx, tenantId);
    });
  try {
    const call = { principal: systemPrincipal('retrieval', tenantId), requestId: uuidv7(), signal };
    const attributes = { from, to, unreadable: String(unreadable) };
    const event = { action: 'index.switch-model', resourceType: 'index', resourceIds: [], attributes } as const;
    await recordThen(deps, call, [event], change);
  } catch (error) {
    if (isOvertaken) return false;
    throw error;
  }
  deps.metrics.modelSwitched();
  deps.log.info({ tenantId, from, to, unreadable }, 'searches of a tenant use another embedding model');
  return true;
}

/** Whether searches would find less by the next model: it may be set up wrongly, or refuse what the one in use did not. */
function makesTooLittle(used: VectorCounts, next: VectorCounts): boolean {
  return next.none - used.none > Math.max(maxNewNone, (maxNewNonePercent / 100) * next.rows);
}

interface Refusal {
  readonly from: string;
  readonly to: string;
  readonly used: VectorCounts;
  readonly next: VectorCounts;
}

function tellOfRefusal({ metrics, log }: ReembedDeps, tenantId: string, { from, to, used, next }: Refusal): void {
  metrics.switchRefused();
  const figures = { rows: next.rows, none: next.none, noneOfUsed: used.none };
  log.error(
    { tenantId, from, to, ...figures },
    'a model makes nothing of too many passages: searches keep the old one',
  );
}

/** Removes vectors of models that are not used any more, and at last says that there is nothing left to do. */
async function tidy(
  deps: ReembedDeps,
  tenantId: string,
  state: TenantModel,
  { currentModelId, keepOldMs }: StepOptions,
): Promise<StepOutcome> {
  const kept = new Set([...wantedModels(state), currentModelId]);
  const old = await deps.database.inTenant(tenantId, async (tx) => {
    const stored = await storedModels(tx, tenantId);
    return stored.filter((modelId) => !kept.has(modelId));
  });
  if (old.length > 0) {
    if (state.unchangedMs < keepOldMs) return 'later';
    const removed = await deps.database.inTenant(tenantId, (tx) => removeVectors(tx, tenantId, old, removedRows));
    deps.metrics.oldVectorsRemoved(removed);
    return removed > 0 ? 'more' : 'later';
  }
  const since = new Date(Date.now() - marginMs);
  const { modelId } = state;
  if (await deps.database.inTenant(tenantId, (tx) => isLacking(tx, tenantId, modelId))) return 'later';
  const isSettled = await deps.database.inTenant(tenantId, async (tx) => {
    const now = await lockTenantModel(tx, tenantId);
    if (now?.modelId !== modelId || now.nextModelId !== undefined) return false;
    const stored = await storedModels(tx, tenantId);
    if (stored.some((id) => id !== modelId) || (await isLacking(tx, tenantId, modelId, since))) return false;
    await settle(tx, tenantId);
    return true;
  });
  return isSettled ? 'done' : 'later';
}
