/** A tenant's row of settings, in the caller's transaction. */
import { holdLock } from '@wardstone/db';
import type { EntityManager } from 'typeorm';
import { answerSettingsEntity, type AnswerSettingsRow } from './entities.ts';

export async function findSettings(tx: EntityManager, tenantId: string): Promise<AnswerSettingsRow | undefined> {
  return (await tx.findOneBy(answerSettingsEntity, { tenantId })) ?? undefined;
}

/**
 * Puts settings in place of those of a revision, 0 being that of none, or of whatever is there. Undefined when they are of
 * another revision.
 */
export async function replaceSettings(
  tx: EntityManager,
  row: Omit<AnswerSettingsRow, 'revision' | 'updatedAt'>,
  revision: number | undefined,
): Promise<AnswerSettingsRow | undefined> {
  const { tenantId } = row;
  // Whoever comes second waits for the first, whether there is a row to lock or not.
  await holdLock(tx, `llm/answer-settings/${tenantId}`);
  const before = await findSettings(tx, tenantId);
  const found = before?.revision ?? 0;
  if (revision !== undefined && revision !== found) return undefined;
  const next = { ...row, revision: found + 1, updatedAt: new Date() };
  await tx.upsert(answerSettingsEntity, next, ['tenantId']);
  return next;
}
