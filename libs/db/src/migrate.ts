import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { databaseError } from './errors.ts';
import { identifier } from './row-level-security.ts';
import { silentLogger } from './silent-logger.ts';
import { SteadyClient } from './steady-client.ts';

/** A TypeORM migration: its `name` ends in a 13-digit timestamp, by which migrations are ordered. */
export type MigrationClass = new () => MigrationInterface;

export interface MigrateOptions {
  /** URL of the role that owns the schema. It must not be the application's role. */
  readonly ownerUrl: string;
  /** Schema of the service; made when it is missing. */
  readonly schema: string;
  /** Role that the service runs with; migrations grant to it. */
  readonly appRole: string;
  readonly migrations: readonly MigrationClass[];
}

/** The roles of the migration that runs: grants and policies name them, never a fixed name. */
export interface MigrationRoles {
  readonly owner: string;
  readonly app: string;
}

/** How long a second migrator waits for the first. */
const lockTimeoutMs = 120_000;
const connectTimeoutMs = 10_000;

/**
 * Brings a service's schema up to date. Safe to run again and from several processes at once: an advisory lock on the
 * schema's name lets one run and the others find nothing to do. All pending migrations commit together or not at all.
 */
export async function migrate(options: MigrateOptions): Promise<void> {
  const schema = identifier(options.schema);
  const appRole = identifier(options.appRole);
  const client = new SteadyClient({
    connectionString: options.ownerUrl,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: lockTimeoutMs,
    application_name: `migrate-${options.schema}`,
  });
  try {
    await client.connect();
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [`wardstone-migrate-${options.schema}`]);
    const { rowCount } = await client.query('select from pg_namespace where nspname = $1', [options.schema]);
    // "create schema if not exists" needs a right on the database even when the schema is there.
    if (rowCount === 0) await client.query(`create schema ${schema}`);
    await client.query(`revoke all on schema ${schema} from public`);
    await client.query(`grant usage on schema ${schema} to ${appRole}`);
    await runMigrations(options);
  } catch (error) {
    throw databaseError(error);
  } finally {
    // Ends the session, and with it the lock.
    await client.end().catch(() => undefined);
  }
}

/** The roles to grant to, inside a migration: `const { app } = await migrationRoles(queryRunner)`. */
export async function migrationRoles(queryRunner: QueryRunner): Promise<MigrationRoles> {
  const rows: unknown = await queryRunner.query(
    `select current_user::text as owner, current_setting('wardstone.app_role') as app`,
  );
  const [row] = rows as [MigrationRoles];
  return { owner: row.owner, app: row.app };
}

async function runMigrations(options: MigrateOptions): Promise<void> {
  const dataSource = new DataSource({
    type: 'postgres',
    url: options.ownerUrl,
    schema: options.schema,
    migrations: [...options.migrations],
    migrationsTransactionMode: 'all',
    migrationsTableName: 'schema_migration',
    installExtensions: false,
    logger: silentLogger,
    poolSize: 2,
    connectTimeoutMS: connectTimeoutMs,
    applicationName: `migrate-${options.schema}`,
    extra: {
      Client: SteadyClient,
      options: `-c search_path=${options.schema},public -c wardstone.app_role=${options.appRole}`,
    },
  });
  try {
    await dataSource.initialize();
    await dataSource.runMigrations();
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}
