import { findNearest, type NearestQuery } from '@wardstone/retrieval/db/nearest-chunks';
import pg from 'pg';

interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** A search of one tenant through pg alone. */
export interface BareSearch {
  search(query: Omit<NearestQuery, 'tenantId' | 'documentIds'>): Promise<number>;
  close(): Promise<void>;
}

/** Connects as the service's own role, so that row-level security holds here as it does there. */
export async function bareSearch(url: string, tenantId: string): Promise<BareSearch> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('set search_path to retrieval, public');
  return {
    search: async (query) => {
      const statements = await statementsOf({ ...query, tenantId, documentIds: [] });
      let rows = 0;
      await client.query('begin');
      await client.query(`select set_config('app.tenant_id', $1, true)`, [tenantId]);
      for (const { sql, values } of statements) rows = (await client.query(sql, [...values])).rows.length;
      await client.query('commit');
      if (rows !== query.limit) throw new Error(`the SQL found ${rows} rows instead of ${query.limit}`);
      return rows;
    },
    close: async () => client.end(),
  };
}

/** The service's own statements, taken from its own function, so that the two can never drift apart. */
async function statementsOf(query: NearestQuery): Promise<readonly Statement[]> {
  const statements: Statement[] = [];
  const record = (sql: string, values: readonly unknown[] = []): Promise<never[]> => {
    statements.push({ sql, values });
    return Promise.resolve([]);
  };
  // A transaction is all that the function asks for, and of that only its connection.
  const recorder: unknown = { query: record, queryRunner: { query: record } };
  await findNearest(recorder as Parameters<typeof findNearest>[0], query);
  return statements;
}
