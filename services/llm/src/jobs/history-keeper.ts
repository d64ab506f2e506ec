/** Removes conversations that nobody used for longer than they are kept. Nobody sees them before that either. */
import { systemPrincipal, recordThen } from '@wardstone/access';
import { AppError, createTimerLoop, isTransient, type TimerLoop } from '@wardstone/rpc';
import { v7 as uuidv7 } from 'uuid';
import { findUnusedSince, removeConversations, tenantsWithUnused } from '../db/conversations.ts';
import { usedSince } from '../domain/retention.ts';
import type { ConversationDeps } from '../ports.ts';

type KeeperDeps = Pick<ConversationDeps, 'database' | 'auditor' | 'retention' | 'log'>;

const intervalMs = 10 * 60_000;
const maxTenantsPerPass = 200;
const maxConversationsPerTenant = 200;

/** A keeper; a pass gives how many conversations were removed. Without a bound on age it removes none. */
export function createHistoryKeeper(deps: KeeperDeps): TimerLoop<number> {
  return createTimerLoop({
    intervalMs,
    work: (signal) => removeUnused(deps, signal),
    onFailure: (error) => {
      deps.log.warn({ err: error }, 'old conversations cannot be looked for at the moment');
    },
  });
}

async function removeUnused(deps: KeeperDeps, signal: AbortSignal): Promise<number> {
  const { database, retention, log } = deps;
  const usedBefore = usedSince(retention);
  if (usedBefore === undefined) return 0;
  const tenants = await database.inPlatform((tx) => tenantsWithUnused(tx, usedBefore, maxTenantsPerPass));
  let removed = 0;
  for (const tenantId of tenants) {
    if (signal.aborted) break;
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
