import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabaseOptions {
  /** Schemas to prepare, named as the services' are: `ingestion`, `retrieval`, `audit`, `tenant_key`. */
  readonly schemas: readonly string[];
}

/** A schema's roles, as deploy/local makes them but with names of their own: roles belong to the whole server. */
export interface TestSchema {
  /** For `migrate({ ownerUrl, appRole, … })`. */
  readonly ownerUrl: string;
  readonly ownerRole: string;
  /** For `openDatabase({ url, … })`: owns nothing and cannot bypass row-level security. */
  readonly appUrl: string;
  readonly appRole: string;
}

export interface TestDatabase {
  readonly name: string;
  /** Superuser, for looking behind the scenes. */
  readonly adminUrl: string;
  /** The role that owns BullMQ's schema; run `migrateQueue(queueUrl)` before using it. */
  readonly queueUrl: string;
  /** Thrown: Error for a schema that was not asked for. */
  schema(name: string): TestSchema;
  /** One statement as superuser. */
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Ends every other connection to this database, as a restart of the server would; gives their number. */
  terminateConnections(): Promise<number>;
  /** Refuses new connections and ends the others until `accept` is called: the server is away. */
  refuseConnections(): Promise<{ accept(): Promise<void> }>;
  /** Drops the database and its roles. */
  drop(): Promise<void>;
}

/**
 * Makes a fresh database with the roles that the platform has, on the server of WARDSTONE_TEST_DATABASE_URL (a superuser
 * URL). Thrown: Error when the variable is not set.
 */
export async function createTestDatabase(options: TestDatabaseOptions): Promise<TestDatabase> {
  const serverUrl = process.env['WARDSTONE_TEST_DATABASE_URL'];
  if (serverUrl === undefined || serverUrl === '') {
    throw new Error('WARDSTONE_TEST_DATABASE_URL is not set: give the superuser URL of a Postgres with pgvector');
  }
  const suffix = randomBytes(5).toString('hex');
  const name = `wardstone_test_${suffix}`;
  const adminUrl = withDatabase(serverUrl, name);
  await once(serverUrl, [`create database ${name}`]);

  const schemas = new Map<string, TestSchema>();
  const roles: string[] = [];
  const newRole = (role: string): { readonly role: string; readonly password: string; readonly url: string } => {
    roles.push(role);
    const password = randomBytes(16).toString('hex');
    return { role, password, url: withLogin(adminUrl, role, password) };
  };
  const queue = newRole(`wardstone_queue_${suffix}`);
  const statements = [
    `revoke all on database ${name} from public`,
    `revoke create on schema public from public`,
    `create extension if not exists vector`,
    ...createRole(queue, name),
    // BullMQ's migration says "create schema if not exists", which needs the right even when it exists.
    `grant create on database ${name} to ${queue.role}`,
    `create schema bullmq authorization ${queue.role}`,
  ];
  for (const schema of options.schemas) {
    const owner = newRole(`wardstone_${schema}_owner_${suffix}`);
    const app = newRole(`wardstone_${schema}_${suffix}`);
    statements.push(
      ...createRole(owner, name),
      ...createRole(app, name),
      `create schema ${schema} authorization ${owner.role}`,
    );
    schemas.set(schema, { ownerUrl: owner.url, ownerRole: owner.role, appUrl: app.url, appRole: app.role });
  }
  await once(adminUrl, statements);

  return {
    name,
    adminUrl,
    queueUrl: queue.url,
    schema: (wanted) => {
      const found = schemas.get(wanted);
      if (found === undefined) throw new Error(`the test database was made without the schema ${wanted}`);
      return found;
    },
    query: async (sql, values = []) =>
      withClient(adminUrl, async (client) => (await client.query<Record<string, unknown>>(sql, [...values])).rows),
    terminateConnections: async () => terminate(serverUrl, name),
    refuseConnections: async () => {
      await once(serverUrl, [`alter database ${name} allow_connections false`]);
      await terminate(serverUrl, name);
      return { accept: async () => once(serverUrl, [`alter database ${name} allow_connections true`]) };
    },
    drop: async () => {
      await once(serverUrl, [
        `drop database if exists ${name} with (force)`,
        ...roles.map((role) => `drop role if exists ${role}`),
      ]);
    },
  };
}

function createRole({ role, password }: { role: string; password: string }, database: string): string[] {
  return [
    `create role ${role} login password '${password}' nosuperuser nocreatedb nocreaterole noinherit nobypassrls`,
    `grant connect on database ${database} to ${role}`,
  ];
}

async function terminate(serverUrl: string, database: string): Promise<number> {
  return withClient(serverUrl, async (client) => {
    const { rowCount } = await client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
      [database],
    );
    return rowCount ?? 0;
  });
}

async function once(url: string, statements: readonly string[]): Promise<void> {
  await withClient(url, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}

async function withClient<T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000, statement_timeout: 30_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

function withLogin(url: string, role: string, password: string): string {
  const changed = new URL(url);
  changed.username = role;
  changed.password = password;
  return changed.href;
}
