/** What a rotation of keys asks of the rows, each in the caller's transaction. */
import { LessThan, type EntityManager } from 'typeorm';
import { conversationEntity, turnEntity, type ConversationRow, type TurnRow } from './entities.ts';

const olderSql = `
  select conversation_id from conversation where key_version < $1
  union
  select conversation_id from turn where key_version < $1`;

/** Ids of conversations of which anything is under a version below, in their order, after one. */
export async function conversationsToReseal(
  tx: EntityManager,
  below: number,
  page: { readonly after: string; readonly limit: number },
): Promise<string[]> {
  const rows = await tx.query<{ conversation_id: string }[]>(
    `select conversation_id from (${olderSql}) older where conversation_id > $2 order by conversation_id limit $3`,
    [below, page.after, page.limit],
  );
  return rows.map((row) => row.conversation_id);
}

/** How many conversations have anything under a version below. */
export async function countToReseal(tx: EntityManager, below: number): Promise<number> {
  const [row] = await tx.query<{ left: number }[]>(`select count(*)::int as left from (${olderSql}) older`, [below]);
  return row?.left ?? 0;
}

/** A conversation, if its title is under a version below. */
export async function titleToReseal(
  tx: EntityManager,
  conversationId: string,
  below: number,
): Promise<ConversationRow | undefined> {
  return (await tx.findOneBy(conversationEntity, { conversationId, keyVersion: LessThan(below) })) ?? undefined;
}

export async function turnsToReseal(
  tx: EntityManager,
  conversationId: string,
  below: number,
  limit: number,
): Promise<TurnRow[]> {
  return tx.find(turnEntity, {
    where: { conversationId, keyVersion: LessThan(below) },
    order: { number: 'ASC' },
    take: limit,
  });
}

/**
 * Puts what was sealed anew in place of the title that was read. Rows are told apart by their key version, never by sealed
 * values: a damaged one equals nothing. One that was replaced meanwhile stays as it is.
 */
export async function replaceTitle(
  tx: EntityManager,
  { conversationId, keyVersion }: ConversationRow,
  replacement: Partial<Pick<ConversationRow, 'titleSealed'>> & Pick<ConversationRow, 'keyVersion'>,
): Promise<void> {
  await tx.update(conversationEntity, { conversationId, keyVersion }, replacement);
}

/** The same for a turn. */
export async function replaceTurn(
  tx: EntityManager,
  { turnId, keyVersion }: TurnRow,
  replacement: Partial<Pick<TurnRow, 'questionSealed' | 'standaloneQuestionSealed' | 'answerSealed'>> &
    Pick<TurnRow, 'keyVersion'>,
): Promise<void> {
  await tx.update(turnEntity, { turnId, keyVersion }, replacement);
}
