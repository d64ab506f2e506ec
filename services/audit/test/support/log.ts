import { migrate, openDatabase, type Database } from '@wardstone/db';
import { createTestDatabase, type TestDatabase } from '@wardstone/testing';
import { createGroupCommit } from '../../src/adapters/group-commit.ts';
import { createPostgresLog } from '../../src/adapters/postgres-log.ts';
import { auditEventEntity } from '../../src/db/entities.ts';
import { migrations } from '../../src/db/migrations.ts';
import type { AuditEvent } from '../../src/domain/audit-event.ts';
import type { Chain, ChainStore, EventLog, EventQuery } from '../../src/ports.ts';

export interface TestLog {
  readonly server: TestDatabase;
  readonly database: Database;
  readonly store: ChainStore;
  readonly log: EventLog;
  /** Appends in each transaction so far. */
  readonly commits: number[];
  /** Another process's log on the same database. */
  another(): Promise<EventLog>;
  /** A whole chain, oldest first. */
  chain(chain: Chain): Promise<AuditEvent[]>;
  drop(): Promise<void>;
}

export const everything: EventQuery = {
  limit: 100_000,
  before: undefined,
  actorSubject: undefined,
  action: undefined,
  resourceId: undefined,
  outcome: undefined,
  occurredFromMs: undefined,
  occurredBeforeMs: undefined,
  requestId: undefined,
};

/** The real log on a database of its own. */
export async function openTestLog(): Promise<TestLog> {
  const server = await createTestDatabase({ schemas: ['audit'] });
  const { ownerUrl, appRole, appUrl } = server.schema('audit');
  await migrate({ ownerUrl, appRole, schema: 'audit', migrations });
  const opened: Database[] = [];
  const open = async (): Promise<Database> => {
    const options = { url: appUrl, schema: 'audit', entities: [auditEventEntity], applicationName: 'audit-test' };
    const database = await openDatabase(options);
    opened.push(database);
    return database;
  };
  const commits: number[] = [];
  const logOn = (database: Database): { store: ChainStore; log: EventLog } => {
    const store = createPostgresLog(database);
    const { append } = createGroupCommit({ store, onCommit: (appends) => commits.push(appends) });
    return { store, log: { append, list: store.list } };
  };
  const database = await open();
  const { store, log } = logOn(database);
  return {
    server,
    database,
    store,
    log,
    commits,
    another: async () => logOn(await open()).log,
    chain: async (chain) => (await log.list(chain, everything)).toReversed(),
    drop: async () => {
      for (const each of opened) await each.close();
      await server.drop();
    },
  };
}
