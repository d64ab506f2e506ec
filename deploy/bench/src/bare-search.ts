import type { KeyRing } from '@wardstone/crypto';
import type { Database } from '@wardstone/db';
import { defaultBitsMaxChunks, vectorSteps } from '@wardstone/retrieval/domain/vector-steps';
import { findCandidates, type Question } from '@wardstone/retrieval/rpc/find-candidates';
import pg from 'pg';

interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** A search of one tenant through pg alone: the service's own statements, with what the service gave them. */
export interface BareSearch {
  /** Lets the service's own code search once on this connection, and notes what it sends. */
  record(question: Question): Promise<readonly Statement[]>;
  /** Sends the same again, in a transaction as the service's. */
  replay(statements: readonly Statement[]): Promise<void>;
  close(): Promise<void>;
}

/** Connects as the service's own role, so that row-level security holds here as it does there. */
export async function bareSearch(url: string, tenantId: string, keys: KeyRing): Promise<BareSearch> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('set search_path to retrieval, public');
  const inTransaction = async (work: () => Promise<void>): Promise<void> => {
    await client.query('begin isolation level repeatable read');
    await client.query(`select set_config('app.tenant_id', $1, true)`, [tenantId]);
    await work();
    await client.query('commit');
  };
  return {
    async record(question) {
      const statements: Statement[] = [];
      const query = async (sql: string, values: readonly unknown[] = []): Promise<unknown[]> => {
        statements.push({ sql, values });
        return (await client.query<Record<string, unknown>>(sql, [...values])).rows;
      };
      // A transaction's queries are all that a search asks of its database.
      const tx: unknown = { query };
      const inTenant: Database['inTenant'] = async (_tenantId, work) => {
        const results: Awaited<ReturnType<typeof work>>[] = [];
        await inTransaction(async () => {
          results.push(await work(tx as Parameters<typeof work>[0]));
        });
        const [result] = results;
        if (result === undefined) throw new Error('the search gave nothing');
        return result;
      };
      const unused = (): never => {
        throw new Error('a search is bound to its tenant');
      };
      const steps = vectorSteps(defaultBitsMaxChunks);
      await findCandidates({ database: { inTenant, inPlatform: unused }, keys, vectorSteps: steps }, question);
      return statements;
    },
    replay: async (statements) =>
      inTransaction(async () => {
        for (const { sql, values } of statements) await client.query(sql, [...values]);
      }),
    close: async () => client.end(),
  };
}
