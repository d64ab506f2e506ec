/** What is done to conversations and their turns, each in the caller's transaction. */
import { AnswerOutcome } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { In, LessThan, MoreThanOrEqual, Not, type EntityManager } from 'typeorm';
import { conversationEntity, turnEntity, type ConversationRow, type TurnRow } from './entities.ts';

/** Whose conversations, and not used before when they count as gone. */
export interface OwnedBy {
  readonly owner: string;
  /** Undefined: however long ago. */
  readonly usedSince: Date | undefined;
}

const owned = ({ owner, usedSince }: OwnedBy) => ({
  owner,
  ...(usedSince === undefined ? {} : { updatedAt: MoreThanOrEqual(usedSince) }),
});

export async function insertConversation(
  tx: EntityManager,
  row: Pick<ConversationRow, 'tenantId' | 'conversationId' | 'owner' | 'titleSealed' | 'keyVersion'>,
): Promise<ConversationRow> {
  await tx.insert(conversationEntity, row);
  const { tenantId, conversationId } = row;
  return tx.findOneByOrFail(conversationEntity, { tenantId, conversationId });
}

/** Those of an owner's conversations that were used longest ago, but for `keep`; their ids, at most so many. */
export async function findLongestUnused(
  tx: EntityManager,
  owner: string,
  { keep, limit }: { readonly keep: number; readonly limit: number },
): Promise<string[]> {
  const rows = await tx.query<{ conversation_id: string }[]>(
    `select conversation_id from conversation where owner = $1
     order by updated_at desc, conversation_id desc offset $2 limit $3`,
    [owner, keep, limit],
  );
  return rows.map((row) => row.conversation_id);
}

export async function findConversation(
  tx: EntityManager,
  conversationId: string,
  by: OwnedBy,
  lock: 'locked' | 'unlocked' = 'unlocked',
): Promise<ConversationRow | undefined> {
  const found = await tx.findOne(conversationEntity, {
    where: { conversationId, ...owned(by) },
    ...(lock === 'locked' ? { lock: { mode: 'pessimistic_write' } } : {}),
  });
  return found ?? undefined;
}

/** An owner's conversations, newest first, older than `before`. */
export async function findConversations(
  tx: EntityManager,
  by: OwnedBy,
  page: { readonly before: string | undefined; readonly limit: number },
): Promise<ConversationRow[]> {
  const { before, limit } = page;
  return tx.find(conversationEntity, {
    where: { ...owned(by), ...(before === undefined ? {} : { conversationId: LessThan(before) }) },
    order: { conversationId: 'DESC' },
    take: limit,
  });
}

/** Removes conversations with their turns; those that are gone are passed over. */
export async function removeConversations(tx: EntityManager, conversationIds: readonly string[]): Promise<void> {
  if (conversationIds.length > 0) await tx.delete(conversationEntity, { conversationId: In([...conversationIds]) });
}

/** At most so many conversations that nobody used since; their ids, those used longest ago first. */
export async function findUnusedSince(tx: EntityManager, usedBefore: Date, maxRows: number): Promise<string[]> {
  const rows = await tx.query<{ conversation_id: string }[]>(
    'select conversation_id from conversation where updated_at < $1 order by updated_at limit $2',
    [usedBefore, maxRows],
  );
  return rows.map((row) => row.conversation_id);
}

/** Tenants that have such conversations; in a transaction of the platform. */
export async function tenantsWithUnused(tx: EntityManager, usedBefore: Date, maxRows: number): Promise<string[]> {
  const rows = await tx.query<{ tenant_id: string }[]>('select tenant_id from tenants_with_old_conversations($1, $2)', [
    usedBefore,
    maxRows,
  ]);
  return rows.map((row) => row.tenant_id);
}

/**
 * Adds the next turn of a conversation that the caller has locked, removes those that are more than `maxTurns` behind it, and
 * says that the conversation was used.
 */
export async function addTurn(
  tx: EntityManager,
  turn: Omit<TurnRow, 'createdAt'>,
  change: Partial<Pick<ConversationRow, 'titleSealed' | 'keyVersion'>>,
  maxTurns: number,
): Promise<void> {
  const { tenantId, conversationId, number } = turn;
  await tx.insert(turnEntity, turn);
  await tx.delete(turnEntity, { tenantId, conversationId, number: LessThan(number - maxTurns + 1) });
  const used = { turnCount: number, updatedAt: () => 'now()' };
  await tx.update(conversationEntity, { tenantId, conversationId }, { ...change, ...used });
}

/** The newest turns of a conversation, newest first. */
export async function findTurns(tx: EntityManager, conversationId: string, limit: number): Promise<TurnRow[]> {
  return tx.find(turnEntity, { where: { conversationId }, order: { number: 'DESC' }, take: limit });
}

/**
 * Those of them that a model may be given: a question that was blocked would reach it beside the next one. What is left out is not
 * counted either, or it would take the others' places.
 */
export async function findUnblockedTurns(tx: EntityManager, conversationId: string, limit: number): Promise<TurnRow[]> {
  const where = { conversationId, outcome: Not(AnswerOutcome.BLOCKED) };
  return tx.find(turnEntity, { where, order: { number: 'DESC' }, take: limit });
}
