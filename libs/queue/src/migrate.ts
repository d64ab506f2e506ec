import { runMigrations } from 'bullmq';
import { SteadyClient } from './steady-client.ts';

const connectTimeoutMs = 10_000;
const statementTimeoutMs = 120_000;

/**
 * Makes or updates the schema `bullmq`. Run with the role that owns it; safe to repeat and to run concurrently, since
 * BullMQ takes an advisory lock. The role needs CREATE on the database the first time, and BullMQ asks for it each time.
 */
export async function migrateQueue(postgresUrl: string): Promise<void> {
  const client = new SteadyClient({
    connectionString: postgresUrl,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    application_name: 'migrate-queue',
  });
  try {
    await client.connect();
    await runMigrations(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
