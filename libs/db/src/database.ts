import { AppError } from '@wardstone/rpc';
import { DataSource, type EntityManager, type EntitySchema, type QueryRunner } from 'typeorm';
import { databaseError } from './errors.ts';
import { createListener, type Listener } from './listener.ts';
import { identifier } from './row-level-security.ts';
import { silentLogger } from './silent-logger.ts';
import { SteadyClient } from './steady-client.ts';
import { requireUuid } from './uuid.ts';

export interface DatabaseOptions {
  /** URL of the service's application role, which owns nothing and cannot bypass row-level security. */
  readonly url: string;
  /** Schema of the service; the search path of every connection, followed by `public` for extensions' types. */
  readonly schema: string;
  readonly entities: readonly EntitySchema[];
  /** Connections at most; 10 unless told. A call that finds none within `acquireTimeoutMs` fails. */
  readonly poolSize?: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** How long a call waits for a connection; 5 s unless told. */
  readonly acquireTimeoutMs?: number;
  /** How long one statement may run; 30 s unless told. */
  readonly statementTimeoutMs?: number;
}

export interface TransactionOptions<T = unknown> {
  readonly isolation?: 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';
  /** Whether what the work gave is to be committed; always, unless told. Rolled back, it is given all the same. */
  readonly commitIf?: (result: T) => boolean;
}

/** A service's own schema, reached through transactions that are bound to one tenant or to none. */
export interface Database {
  /** For metadata and query builders inside a transaction; never run queries on it directly. */
  readonly dataSource: DataSource;
  /**
   * Runs `work` in one transaction that sees and writes the rows of `tenantId` alone. Commits when it resolves, rolls
   * back when it throws. Thrown: TENANT_REQUIRED before any SQL for an id that is no UUID; DATABASE_UNAVAILABLE.
   */
  inTenant<T>(tenantId: string, work: (tx: EntityManager) => Promise<T>, options?: TransactionOptions<T>): Promise<T>;
  /** Runs `work` in one transaction without a tenant: row-level security hides every tenant's rows. */
  inPlatform<T>(work: (tx: EntityManager) => Promise<T>, options?: TransactionOptions<T>): Promise<T>;
  /** Resolves when the database answers. Thrown: DATABASE_UNAVAILABLE. */
  check(): Promise<void>;
  /**
   * Listens to a NOTIFY channel on a connection of its own, and keeps listening when the connection is lost.
   * Notifications sent meanwhile are lost by Postgres: `onReconnect` is told, so that the caller can look again.
   * Resolves with a function that stops.
   */
  listen(
    channel: string,
    onMessage: (payload: string) => void,
    options?: { readonly onReconnect?: () => void },
  ): Promise<() => Promise<void>>;
  /** Closes every connection. Idempotent. */
  close(): Promise<void>;
}

const defaults = { poolSize: 10, acquireTimeoutMs: 5_000, statementTimeoutMs: 30_000 };

/** A transaction that its owner forgot holds locks: Postgres ends it. */
const idleInTransactionTimeoutMs = 60_000;

/**
 * Opens a service's database. Does not wait for the server: a service starts, tells that it is not ready, and works once
 * its database is there. Thrown: TypeError for options that can never work.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const dataSource = createDataSource(options);
  const connected = connectOnce(dataSource);
  let listener: Listener | undefined;
  let closing: Promise<void> | undefined;

  async function transaction<T>(
    tenantId: string | undefined,
    work: (tx: EntityManager) => Promise<T>,
    { isolation = 'READ COMMITTED', commitIf }: TransactionOptions<T> = {},
  ): Promise<T> {
    if (closing !== undefined) throw new AppError('DATABASE_UNAVAILABLE');
    await connected();
    const runner = dataSource.createQueryRunner();
    try {
      await runner.startTransaction(isolation);
      // Local to the transaction: a pooled connection forgets it with the commit or the rollback.
      await runner.query(`select set_config('app.tenant_id', $1, true)`, [tenantId ?? '']);
      const result = await work(runner.manager);
      if (commitIf === undefined || commitIf(result)) await runner.commitTransaction();
      else await rollback(runner);
      return result;
    } catch (error) {
      await rollback(runner);
      throw databaseError(error);
    } finally {
      await runner.release().catch(() => undefined);
    }
  }

  return {
    dataSource,
    inTenant: async (tenantId, work, transactionOptions) =>
      transaction(requireUuid(tenantId), work, transactionOptions),
    inPlatform: async (work, transactionOptions) => transaction(undefined, work, transactionOptions),
    check: async () => {
      if (closing !== undefined) throw new AppError('DATABASE_UNAVAILABLE');
      try {
        await connected();
        await dataSource.query('select 1');
      } catch (error) {
        throw databaseError(error);
      }
    },
    listen: async (channel, onMessage, { onReconnect } = {}) => {
      listener ??= createListener({ url: options.url, applicationName: `${options.applicationName}-listen` });
      return listener.listen(channel, onMessage, onReconnect);
    },
    close: () => {
      closing ??= (async () => {
        await listener?.close();
        if (dataSource.isInitialized) await dataSource.destroy();
      })();
      return closing;
    },
  };
}

function createDataSource(options: DatabaseOptions): DataSource {
  identifier(options.schema);
  return new DataSource({
    type: 'postgres',
    url: options.url,
    schema: options.schema,
    entities: [...options.entities],
    synchronize: false,
    installExtensions: false,
    logger: silentLogger,
    // Idle connections that the server ends are replaced by the pool; there is nothing to say about them.
    poolErrorHandler: () => undefined,
    poolSize: options.poolSize ?? defaults.poolSize,
    connectTimeoutMS: options.acquireTimeoutMs ?? defaults.acquireTimeoutMs,
    applicationName: options.applicationName,
    extra: {
      Client: SteadyClient,
      options: `-c search_path=${options.schema},public`,
      statement_timeout: options.statementTimeoutMs ?? defaults.statementTimeoutMs,
      idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
      // A server that vanished without a word is noticed by the client too.
      query_timeout: (options.statementTimeoutMs ?? defaults.statementTimeoutMs) + 5_000,
      keepAlive: true,
    },
  });
}

/** Connects with the first call that needs it, once for all that wait, and again after a failure. */
function connectOnce(dataSource: DataSource): () => Promise<void> {
  let connecting: Promise<unknown> | undefined;
  return async () => {
    if (dataSource.isInitialized) return;
    connecting ??= dataSource.initialize().finally(() => {
      connecting = undefined;
    });
    try {
      await connecting;
    } catch (error) {
      throw databaseError(error);
    }
  };
}

async function rollback(runner: QueryRunner): Promise<void> {
  try {
    if (runner.isTransactionActive) await runner.rollbackTransaction();
  } catch {
    // The connection is gone, and the transaction with it; the error that brought us here is the one to tell.
  }
}
