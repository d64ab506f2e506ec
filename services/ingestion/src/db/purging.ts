/** What a purge asks of the rows, each in the caller's transaction. */
import type { EntityManager } from 'typeorm';
import { documentEntity, idempotencyEntity } from './entities.ts';

/**
 * Hides documents of any state, so that nobody works on them any more, and gives the ids of as many: those that were looked
 * at longest ago first.
 */
export async function markPurging(tx: EntityManager, maxRows: number): Promise<string[]> {
  const found = await tx.find(documentEntity, {
    select: { documentId: true },
    order: { checkedAt: 'ASC' },
    take: maxRows,
  });
  const ids = found.map(({ documentId }) => documentId);
  await tx.query(
    `update document set state = 'DELETING', revision = revision + 1, updated_at = now()
     where document_id = any($1) and state <> 'DELETING'`,
    [ids],
  );
  return ids;
}

/** Removes at most so many idempotency keys; gives their number. */
export async function removeKeys(tx: EntityManager, maxRows: number): Promise<number> {
  const [, removed] = await tx.query<[unknown, number]>(
    'delete from idempotency_key where ctid = any (array(select ctid from idempotency_key limit $1))',
    [maxRows],
  );
  return removed;
}

/** Documents and idempotency keys that are left. */
export async function countRows(tx: EntityManager): Promise<number> {
  return (await tx.count(documentEntity)) + (await tx.count(idempotencyEntity));
}
