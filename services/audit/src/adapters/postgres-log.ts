import { AppError } from '@wardstone/rpc';
import { holdLock, nilUuid, type Database } from '@wardstone/db';
import { In, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { auditEventEntity, toEvent, toRow } from '../db/entities.ts';
import type { AuditEvent, EventContent } from '../domain/audit-event.ts';
import { emptyChain, extendChain, sameContent, type ChainHead } from '../domain/hash-chain.ts';
import type { AppendResult, Chain, ChainStore, EventLog } from '../ports.ts';

/** The log in Postgres: appends for the group commit, and listing. */
export function createPostgresLog(database: Database): ChainStore & Pick<EventLog, 'list'> {
  const inChain = async <T>(chain: Chain, work: (tx: EntityManager) => Promise<T>): Promise<T> =>
    chain === undefined ? database.inPlatform(work) : database.inTenant(chain, work);

  return {
    appendTogether: async (chain, appends) =>
      inChain(chain, async (tx) => {
        const { head, nowMs } = await lockHead(tx, chain);
        const known = await findRecorded(tx, chain, appends.flat());
        const { results, added } = placeAll(head, known, appends, nowMs);
        if (added.length > 0) await tx.insert(auditEventEntity, added.map(toRow));
        return results;
      }),

    list: async (chain, query) =>
      inChain(chain, async (tx) => {
        // Row-level security binds the chain; naming it as well lets the planner use the index.
        const select = tx
          .createQueryBuilder(auditEventEntity, 'e')
          .where('e.tenantId = :chain', { chain: chain ?? nilUuid })
          .orderBy('e.sequence', 'DESC')
          .limit(query.limit);
        const filters: readonly [string, Record<string, unknown>][] = [
          ['e.sequence < :before', { before: query.before?.toString() }],
          ['e.actorSubject = :actorSubject', { actorSubject: query.actorSubject }],
          ['e.action = :action', { action: query.action }],
          [':resourceId = any(e.resourceIds)', { resourceId: query.resourceId }],
          ['e.outcome = :outcome', { outcome: query.outcome }],
          ['e.occurredAt >= :from', { from: asDate(query.occurredFromMs) }],
          ['e.occurredAt < :until', { until: asDate(query.occurredBeforeMs) }],
          ['e.requestId = :requestId', { requestId: query.requestId }],
        ];
        for (const [sql, value] of filters) {
          if (Object.values(value)[0] !== undefined) select.andWhere(sql, value);
        }
        return (await select.getMany()).map(toEvent);
      }),
  };
}

const headSchema = z.object({
  nowMs: z.coerce.number(),
  sequence: z.string().nullable(),
  hash: z.instanceof(Buffer).nullable(),
});

/**
 * Locks the chain until the transaction ends and reads its head. The lock is an advisory one: a row to lock would have to be
 * updated, and the application role may update nothing. The primary key refuses a second writer even without it.
 */
async function lockHead(tx: EntityManager, chain: Chain): Promise<{ head: ChainHead; nowMs: number }> {
  const tenantId = chain ?? nilUuid;
  // Durable before the answer, whatever a role or a database is set to.
  await tx.query(`set local synchronous_commit = on`);
  await holdLock(tx, `wardstone-audit-chain ${tenantId}`);
  // A statement of its own: its snapshot is taken after the lock was granted, and sees the writer before.
  const rows: unknown = await tx.query(
    `select floor(extract(epoch from clock_timestamp()) * 1000) as "nowMs", e.sequence, e.hash
       from (select) as always
       left join lateral (select sequence, hash from audit_event where tenant_id = $1 order by sequence desc limit 1) e on true`,
    [tenantId],
  );
  const [{ nowMs, sequence, hash }] = z.tuple([headSchema]).parse(rows);
  if (sequence === null || hash === null) return { head: emptyChain, nowMs };
  return { head: { sequence: BigInt(sequence), hash: new Uint8Array(hash) }, nowMs };
}

async function findRecorded(
  tx: EntityManager,
  chain: Chain,
  contents: readonly EventContent[],
): Promise<Map<string, AuditEvent>> {
  const eventIds = [...new Set(contents.map(({ eventId }) => eventId))];
  const rows = await tx.findBy(auditEventEntity, { tenantId: chain ?? nilUuid, eventId: In(eventIds) });
  return new Map(rows.map((row) => [row.eventId, toEvent(row)]));
}

/** Gives each append its places, one after the other; one that contradicts what is recorded gets an error and no place. */
function placeAll(
  head: ChainHead,
  recorded: ReadonlyMap<string, AuditEvent>,
  appends: readonly (readonly EventContent[])[],
  nowMs: number,
): { results: AppendResult[]; added: AuditEvent[] } {
  const known = new Map(recorded);
  const added: AuditEvent[] = [];
  let end = head;
  const results = appends.map((contents): AppendResult => {
    const fresh = new Map<string, EventContent>();
    for (const content of contents) {
      const before = known.get(content.eventId) ?? fresh.get(content.eventId);
      if (before === undefined) fresh.set(content.eventId, content);
      else if (!sameContent(before, content)) return { error: new AppError('IDEMPOTENCY_KEY_REUSED') };
    }
    const placed = extendChain(end, [...fresh.values()], nowMs);
    end = placed.at(-1) ?? end;
    for (const event of placed) known.set(event.eventId, event);
    added.push(...placed);
    return { events: contents.flatMap(({ eventId }) => known.get(eventId) ?? []) };
  });
  return { results, added };
}

function asDate(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}
