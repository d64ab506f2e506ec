import pg from 'pg';
import { z } from 'zod';
import { newSecret, readJson, writeJson } from '../setup/files.ts';

/** Schemas of the services that have a database. */
export const schemas = ['ingestion', 'retrieval', 'llm', 'audit', 'tenant_key'] as const;
export type Schema = (typeof schemas)[number];

/** The one database; each service could be given its own by changing one URL. */
const databaseName = 'wardstone';
const queueRole = 'wardstone_queue';
const lockId = 'wardstone-set-up';

/** URLs of the roles, by what they may do. */
export interface DatabaseUrls {
  /** For migrations alone: the role that owns the schema. */
  owner(schema: Schema): string;
  /** For the service: owns nothing, and row-level security holds for it. */
  app(schema: Schema): string;
  /** For BullMQ: owns the schema `bullmq` and nothing else. */
  readonly queue: string;
  /** Tells this database from every other, also from one of the same name that replaced it. */
  readonly identity: string;
}

/**
 * Makes the database, its roles and its schemas where they are missing; safe to repeat. Passwords are random, kept in
 * `passwordsFile` (0600), and set again each time, so that a state folder works with a server that has seen another.
 */
export async function ensureDatabases(adminUrl: string, passwordsFile: string): Promise<DatabaseUrls> {
  const passwords = await ensurePasswords(passwordsFile);
  const passwordOf = (role: string): string => passwords[role] ?? '';
  await withClient(adminUrl, async (client) => {
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [lockId]);
    for (const role of Object.keys(passwords)) await ensureRole(client, role, passwordOf(role));
    const { rowCount } = await client.query('select from pg_database where datname = $1', [databaseName]);
    if (rowCount === 0) await client.query(`create database ${databaseName}`);
  });
  const databaseUrl = withDatabase(adminUrl, databaseName);
  let identity = '';
  await withClient(databaseUrl, async (client) => {
    await ensureSchemas(client);
    const { rows } = await client.query<{ identity: string }>(
      `select concat_ws('-', s.system_identifier, d.oid) as identity
       from pg_control_system() s, pg_database d where d.datname = current_database()`,
    );
    identity = rows[0]?.identity ?? '';
  });
  const urlOf = (role: string): string => withLogin(databaseUrl, role, passwordOf(role));
  return {
    owner: (schema) => urlOf(ownerRole(schema)),
    app: (schema) => urlOf(appRole(schema)),
    queue: urlOf(queueRole),
    identity,
  };
}

const ownerRole = (schema: Schema): string => `wardstone_${schema}_owner`;
const appRole = (schema: Schema): string => `wardstone_${schema}`;

async function ensurePasswords(file: string): Promise<Record<string, string>> {
  const known = z.record(z.string(), z.string()).parse((await readJson(file)) ?? {});
  const roles = [queueRole, ...schemas.flatMap((schema) => [ownerRole(schema), appRole(schema)])];
  const passwords = Object.fromEntries(roles.map((role) => [role, known[role] ?? newSecret()]));
  if (roles.some((role) => known[role] === undefined)) await writeJson(file, passwords);
  return passwords;
}

async function ensureRole(client: pg.Client, role: string, password: string): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role]);
  const verb = rowCount === 0 ? 'create' : 'alter';
  const rights = 'login nosuperuser nocreatedb nocreaterole noinherit nobypassrls';
  await client.query(`${verb} role ${role} ${rights} password ${pg.escapeLiteral(password)}`);
}

async function ensureSchemas(client: pg.Client): Promise<void> {
  await client.query(`revoke all on database ${databaseName} from public`);
  await client.query('revoke create on schema public from public');
  await client.query('create extension if not exists vector');
  // BullMQ's migration says "create schema if not exists", which needs the right even when the schema exists.
  await client.query(`grant create on database ${databaseName} to ${queueRole}`);
  await ensureSchema(client, 'bullmq', queueRole);
  for (const schema of schemas) await ensureSchema(client, schema, ownerRole(schema));
  for (const role of [queueRole, ...schemas.flatMap((schema) => [ownerRole(schema), appRole(schema)])]) {
    await client.query(`grant connect on database ${databaseName} to ${role}`);
  }
}

async function ensureSchema(client: pg.Client, schema: string, owner: string): Promise<void> {
  const { rowCount } = await client.query('select from pg_namespace where nspname = $1', [schema]);
  if (rowCount === 0) await client.query(`create schema ${schema} authorization ${owner}`);
}

async function withClient(connectionString: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000, statement_timeout: 60_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end().catch(() => undefined);
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
