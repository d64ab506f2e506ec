/** A change of the embedding model, in the background: tenants follow the current model, page by page, in turns. */
import { nilUuid } from '@wardstone/db';
import { AppError, type Reason } from '@wardstone/rpc';
import { followModel, tenantsOfOtherModel, tenantsToEmbed } from '../db/tenant-model.ts';
import { type Cursor, newCursor, type ReembedDeps, reembedStep } from './reembed-step.ts';

export interface ReembedOptions {
  /** Pause between two looks at the current model and at all tenants, when there is nothing left to do. */
  readonly lookIntervalMs: number;
  /** Vectors that nobody uses are left so long, in case that the change is taken back. */
  readonly keepOldMs: number;
  /** Until a model that makes nothing of too many passages is asked again for those. */
  readonly askAgainMs: number;
}

/** Work of one pass at most: the step that runs is finished. */
const maxPassMs = 20_000;
const tenantsPerPage = 100;

/** A tenant whose work fails is passed over for one look, then for two, then for four, up to so many: each failure keeps the others waiting. */
const maxPassedOver = 32;

/** What a closed tenant's keys say. It is no fault, and its vectors wait until it is open again, or are removed with it. */
const closed: ReadonlySet<Reason> = new Set<Reason>(['TENANT_OFFBOARDING', 'TENANT_SUSPENDED']);

/** Passes, each of which goes on where the last one stopped. */
export interface Reembedding {
  /**
   * Gives the number of steps that were done. A tenant whose work fails is told of and passed over until a later look at all
   * tenants. Thrown: DATABASE_UNAVAILABLE, when it cannot be asked for tenants; what embedding says when it cannot be asked for its models.
   */
  pass(signal: AbortSignal): Promise<number>;
}

export function createReembedding(deps: ReembedDeps, options: ReembedOptions): Reembedding {
  let lookAgainAtMs = 0;
  let waiting: string[] = [];
  let currentModelId = '';
  let lastServed: string = nilUuid;
  const cursors = new Map<string, Cursor>();
  /** Looks that a tenant is passed over still, and will be after its next failure. */
  const failing = new Map<string, { left: number; next: number }>();

  const look = async (signal: AbortSignal): Promise<void> => {
    lookAgainAtMs = performance.now() + options.lookIntervalMs;
    currentModelId = await deps.passages.currentModel(signal);
    await follow(deps, currentModelId, signal);
    const tenants = await deps.database.inPlatform(tenantsToEmbed);
    deps.metrics.unsettledTenants(tenants.length);
    const known = new Set(tenants);
    for (const tenantId of cursors.keys()) if (!known.has(tenantId)) cursors.delete(tenantId);
    for (const tenantId of failing.keys()) if (!known.has(tenantId)) failing.delete(tenantId);
    const ready = tenants.filter((tenantId) => {
      const passedOver = failing.get(tenantId);
      if (passedOver === undefined || passedOver.left === 0) return true;
      passedOver.left -= 1;
      return false;
    });
    // Those that have not had their turn come first.
    waiting = [...ready.filter((id) => id > lastServed), ...ready.filter((id) => id <= lastServed)];
  };

  /** Whether the tenant is to have another turn before the next look. */
  const step = async (tenantId: string, signal: AbortSignal): Promise<boolean> => {
    const cursor = cursors.get(tenantId) ?? newCursor();
    cursors.set(tenantId, cursor);
    try {
      const outcome = await reembedStep(deps, tenantId, cursor, { ...options, currentModelId, signal });
      failing.delete(tenantId);
      return outcome === 'more';
    } catch (error) {
      if (signal.aborted || closed.has(AppError.from(error).reason)) return false;
      const { next } = failing.get(tenantId) ?? { next: 0 };
      failing.set(tenantId, { left: next, next: Math.min(maxPassedOver, Math.max(1, 2 * next)) });
      deps.metrics.reembedFailed();
      deps.log.warn({ err: error, tenantId }, 'vectors of a tenant could not be worked on');
      return false;
    }
  };

  return {
    async pass(signal) {
      const untilMs = performance.now() + maxPassMs;
      if (performance.now() >= lookAgainAtMs) await look(signal);
      let steps = 0;
      // One step each, and then again from the first: a large tenant does not keep the small ones waiting.
      while (!signal.aborted && performance.now() < untilMs) {
        const tenantId = waiting.shift();
        if (tenantId === undefined) break;
        if (await step(tenantId, signal)) waiting.push(tenantId);
        lastServed = tenantId;
        steps += 1;
      }
      return steps;
    },
  };
}

/** Whatever the tenants use, or change to, that is not the current model: from now on they change to it. */
async function follow({ database, log }: ReembedDeps, currentModelId: string, signal: AbortSignal): Promise<void> {
  for (let after: string = nilUuid; !signal.aborted;) {
    const page = { after, maxTenants: tenantsPerPage };
    const tenants = await database.inPlatform((tx) => tenantsOfOtherModel(tx, currentModelId, page));
    for (const tenantId of tenants) {
      signal.throwIfAborted();
      await database.inTenant(tenantId, (tx) => followModel(tx, tenantId, currentModelId));
    }
    if (tenants.length > 0)
      log.info({ tenants: tenants.length, model: currentModelId }, 'tenants change their embedding model');
    if (tenants.length < tenantsPerPage) return;
    after = tenants.at(-1) ?? after;
  }
}
