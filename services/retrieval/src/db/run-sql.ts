import { needs } from '@wardstone/rpc';
import type { EntityManager } from 'typeorm';

/**
 * Runs a statement on the transaction's own connection. When the connection is lost in the middle, this throws what
 * libs/db takes for DATABASE_UNAVAILABLE; the manager's own `query` throws another error, which it does not know.
 */
export async function runSql<Row>(tx: EntityManager, sql: string, values: unknown[] = []): Promise<Row[]> {
  const runner = tx.queryRunner;
  needs(runner, 'INTERNAL', { message: 'there is no transaction' });
  const rows: unknown = await runner.query(sql, values);
  return rows as Row[];
}
