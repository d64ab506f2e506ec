/**
 * One step of giving a tenant's chunks vectors of the model that it is to use: a page of passages is embedded, or searches go over to
 * the model, or vectors of other models are removed. A kill at any instruction costs one page at most.
 */
import { recordThen, systemPrincipal } from '@wardstone/access';
import { tryLock } from '@wardstone/db';
import { needs } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { countUnreadable, isLacking, readLacking, removeVectors, storedModels } from '../db/reembed.ts';
import {
  lockTenantModel,
  readTenantModel,
  settle,
  switchModel,
  type TenantModel,
  wantedModels,
} from '../db/tenant-model.ts';
import { beforeAllChunks, type ChunkKey } from '../domain/chunk.ts';
import { type Deps, maxTextsPerCall } from '../ports.ts';
import { embedPage } from './embed-page.ts';

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
  readonly signal: AbortSignal;
}

/** Where a tenant's next page begins; a new one may begin anywhere. */
export interface Cursor {
  modelId: string;
  after: ChunkKey;
}

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
      return (await trySwitch(deps, tenantId, state, options.signal)) ? 'more' : 'later';
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
  if (cursor.modelId !== modelId) Object.assign(cursor, { modelId, after: beforeAllChunks });
  const isFirstPage = cursor.after === beforeAllChunks;
  if (isFirstPage && !(await deps.database.inTenant(tenantId, (tx) => isLacking(tx, tenantId, modelId)))) return false;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(maxPageMs)]);
  for (;;) {
    const page = await deps.database.inTenant(tenantId, (tx) =>
      readLacking(tx, tenantId, modelId, { after: cursor.after, maxChunks: maxTextsPerCall }),
    );
    if (page.chunks.length > 0) await embedPage(deps, { tenantId, modelId, chunks: page.chunks, signal: bounded });
    cursor.after = page.after ?? beforeAllChunks;
    if (page.chunks.length > 0) return true;
    if (page.after === undefined) return false;
    bounded.throwIfAborted();
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
  signal: AbortSignal,
): Promise<boolean> {
  if (to === undefined) return false;
  const { database } = deps;
  const isReady = async (tx: EntityManager, state: TenantModel | undefined): Promise<boolean> =>
    state?.modelId === from && state.nextModelId === to && !(await isLacking(tx, tenantId, to));
  const unreadable = await database.inTenant(tenantId, async (tx) =>
    (await isReady(tx, await readTenantModel(tx, tenantId))) ? countUnreadable(tx, tenantId, to) : undefined,
  );
  if (unreadable === undefined) return false;
  let isOvertaken = false;
  const change = (): Promise<void> =>
    database.inTenant(tenantId, async (tx) => {
      // A document was written meanwhile, or the current model was changed once more: the next pass sees to it.
      isOvertaken = !(await isReady(tx, await lockTenantModel(tx, tenantId)));
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
  const isSettled = await deps.database.inTenant(tenantId, async (tx) => {
    const now = await lockTenantModel(tx, tenantId);
    if (now?.modelId !== state.modelId || now.nextModelId !== undefined) return false;
    const stored = await storedModels(tx, tenantId);
    if (stored.some((modelId) => modelId !== now.modelId) || (await isLacking(tx, tenantId, now.modelId))) return false;
    await settle(tx, tenantId);
    return true;
  });
  return isSettled ? 'done' : 'later';
}
