import type { EntityManager } from 'typeorm';

/** Takes the lock of that name until the transaction ends. False when somebody else has it; never waits. */
export async function tryLock(tx: Pick<EntityManager, 'query'>, name: string): Promise<boolean> {
  const [row] = await tx.query<{ locked: boolean }[]>(
    'select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as locked',
    [name],
  );
  return row?.locked === true;
}
