/** Removes conversations that nobody used for longer than they are kept. Nobody sees them before that either. */
import { systemPrincipal, recordThen } from '@wardstone/access';
import { isTransient, AppError } from '@wardstone/rpc';
import { v7 as uuidv7 } from 'uuid';
import { findUnusedSince, removeConversations, tenantsWithUnused } from '../db/conversations.ts';
import { usedSince } from '../domain/retention.ts';
import type { ConversationDeps } from '../ports.ts';

type KeeperDeps = Pick<ConversationDeps, 'database' | 'auditor' | 'retention' | 'log'>;

export interface HistoryKeeper {
  /** One pass now; gives how many conversations were removed. Thrown: DATABASE_UNAVAILABLE. */
  pass(): Promise<number>;
  /** Begins to make passes. */
  start(): void;
  /** Makes no further pass, and waits for the batch that runs. */
  close(): Promise<void>;
}

const intervalMs = 10 * 60_000;
const maxTenantsPerPass = 200;
const maxConversationsPerTenant = 200;

/** A keeper; without a bound on age it does nothing. */
export function createHistoryKeeper(deps: KeeperDeps): HistoryKeeper {
  const { database, retention, log } = deps;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let closed = false;

  async function pass(): Promise<number> {
    const usedBefore = usedSince(retention);
    if (usedBefore === undefined) return 0;
    const tenants = await database.inPlatform((tx) => tenantsWithUnused(tx, usedBefore, maxTenantsPerPass));
    let removed = 0;
    for (const tenantId of tenants) {
      if (closed) break;
      removed += await removeOld(deps, tenantId, usedBefore).catch((error: unknown) => {
        // One tenant's fault, its audit log that is away, must not keep the others' conversations.
        if (isTransient(AppError.from(error).reason))
          log.warn({ err: error, tenantId }, 'old conversations stay for now');
        else log.error({ err: error, tenantId }, 'old conversations could not be removed');
        return 0;
      });
    }
    return removed;
  }

  function schedule(): void {
    if (closed) return;
    timer = setTimeout(
      () => {
        running = pass()
          .catch((error: unknown) => {
            log.warn({ err: error }, 'old conversations cannot be looked for at the moment');
          })
          .finally(schedule);
      },
      intervalMs * (0.8 + Math.random() * 0.4),
    );
  }

  return {
    pass,
    start: () => {
      if (retention.maxAgeMs !== undefined) schedule();
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** Recorded before they go. Two keepers that look at once record the same ones twice. */
async function removeOld(deps: KeeperDeps, tenantId: string, usedBefore: Date): Promise<number> {
  const { inTenant } = deps.database;
  const resourceIds = await inTenant(tenantId, (tx) => findUnusedSince(tx, usedBefore, maxConversationsPerTenant));
  if (resourceIds.length === 0) return 0;
  const call = { principal: systemPrincipal('llm', tenantId), requestId: uuidv7() };
  const event = { action: 'conversation.expire', resourceType: 'conversation', resourceIds } as const;
  await recordThen(deps, call, [event], () => inTenant(tenantId, (tx) => removeConversations(tx, resourceIds)));
  return resourceIds.length;
}
