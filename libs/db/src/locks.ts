/** Locks by name, which a transaction holds until it ends. */
import type { EntityManager } from 'typeorm';

type Transaction = Pick<EntityManager, 'query'>;

/** Takes the lock of that name until the transaction ends. False when somebody else has it; never waits. */
export async function tryLock(tx: Transaction, name: string): Promise<boolean> {
  const [row] = await tx.query<{ locked: boolean }[]>(
    'select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as locked',
    [name],
  );
  return row?.locked === true;
}

/**
 * Takes the lock of that name until the transaction ends, and waits for whoever has it. A statement that follows sees what he
 * committed, unless the transaction keeps to a snapshot.
 */
export async function holdLock(tx: Transaction, name: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [name]);
}
