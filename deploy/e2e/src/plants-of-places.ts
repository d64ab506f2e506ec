import { randomUUID } from 'node:crypto';
import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import pg from 'pg';
import { serviceNames } from '@wardstone/local/platform/programs';
import { Counter, createTelemetry, Registry, withSpan } from '@wardstone/telemetry';
import { eventually } from '@wardstone/testing';
import type { Piece } from './leak-search.ts';
import type { Places } from './places.ts';
import type { Plant } from './planting.ts';
import { createRpcCaller } from './rpc-caller.ts';
import type { WatchedStack } from './watched-stack.ts';

/** What was found after a plant, where it must have been caught, and how the plant is taken away again. */
export interface Planted {
  readonly found: readonly Piece[];
  readonly at: readonly string[];
  readonly remove: () => Promise<void>;
}

type Put = (watched: WatchedStack, places: Places, plant: Plant) => Promise<Planted>;

const stays = (): Promise<void> => Promise.resolve();

/** A way to plant a leak in each place but the tables. */
export const plantsOfPlaces: readonly { readonly place: string; readonly put: Put }[] = [
  { place: "the planner's statistics of a table that is empty by now", put: inStatistics },
  { place: "a session's statement, as other sessions see it", put: inSessions },
  { place: "the database's log, as a statement's parameter", put: inDatabaseLog },
  {
    place: 'an object in clear',
    put: async (watched, places, { text }) => inObject(watched, places, Buffer.from(text)),
  },
  { place: 'bytes behind a sealed object', put: behindObject },
  { place: 'the key store', put: inKeyStore },
  { place: 'a temporary file', put: inTemporaryFile },
  { place: 'a line of the log of every program', put: inLogs },
  { place: "a span's attribute, sent as services send theirs", put: inSpan },
  { place: "a metric's label", put: inMetric },
  { place: 'an audit event', put: inAuditEvent },
];

async function inStatistics({ admin }: WatchedStack, places: Places, { text }: Plant): Promise<Planted> {
  await admin.query('begin');
  try {
    await admin.query('create table public.planted_statistics (note text)');
    await admin.query(`insert into public.planted_statistics select $1 || n from generate_series(1, 300) n`, [
      `${text} `,
    ]);
    await admin.query('analyze public.planted_statistics');
    await admin.query('delete from public.planted_statistics');
    const found = await places.database(admin);
    return { found, at: ['table pg_catalog.pg_statistic', 'table pg_catalog.pg_stats'], remove: stays };
  } finally {
    await admin.query('rollback');
  }
}

async function inSessions(watched: WatchedStack, places: Places, { text }: Plant): Promise<Planted> {
  const session = await newSession(watched);
  await session.query(`select ${pg.escapeLiteral(text)}`);
  const found = await places.database(watched.admin);
  return { found, at: ['table pg_catalog.pg_stat_activity'], remove: async () => session.end() };
}

async function inDatabaseLog(watched: WatchedStack, places: Places, { text }: Plant): Promise<Planted> {
  const session = await newSession(watched);
  await session.query('select $1::text', [text]);
  return { found: await places.databaseLog(), at: ['database log'], remove: async () => session.end() };
}

async function newSession({ stack }: WatchedStack): Promise<pg.Client> {
  const session = new pg.Client({ connectionString: stack.platform.adminDatabaseUrl });
  await session.connect();
  return session;
}

async function inObject({ stack }: WatchedStack, places: Places, bytes: Buffer): Promise<Planted> {
  const file = path.join(stack.platform.layout.objectsDir, 'planted');
  await writeFile(file, bytes);
  return { found: await places.objects(), at: ['object that is not sealed'], remove: async () => rm(file) };
}

async function behindObject(watched: WatchedStack, places: Places, { text }: Plant): Promise<Planted> {
  const { objectsDir } = watched.stack.platform.layout;
  const entries = await readdir(objectsDir, { recursive: true, withFileTypes: true });
  const sealed = entries.find((entry) => entry.isFile());
  if (!sealed) throw new Error('there is no object');
  const bytes = await readFile(path.join(sealed.parentPath, sealed.name));
  return inObject(watched, places, Buffer.concat([bytes, Buffer.from(` ${text}`)]));
}

async function inKeyStore({ stack }: WatchedStack, places: Places, { text }: Plant): Promise<Planted> {
  const file = path.join(stack.platform.layout.kmsDir, 'planted');
  await writeFile(file, Buffer.concat([Buffer.of(1), Buffer.from(` ${text}`)]));
  return { found: await places.keyStore(), at: ['key store'], remove: async () => rm(file) };
}

async function inTemporaryFile({ temporaryDir }: WatchedStack, places: Places, { text }: Plant): Promise<Planted> {
  const file = path.join(temporaryDir, 'planted');
  await writeFile(file, text);
  return { found: await places.temporaryFiles(), at: ['temporary file'], remove: async () => rm(file) };
}

async function inLogs({ stack }: WatchedStack, places: Places, { text }: Plant): Promise<Planted> {
  const names = serviceNames.map((name) => `${name}.log`);
  const line = `${JSON.stringify({ level: 'debug', msg: `a line\n${text}` })}\n`;
  for (const name of names) await appendFile(path.join(stack.platform.layout.logsDir, name), line);
  return { found: await places.logs(), at: names.map((name) => `log ${name}`), remove: stays };
}

async function inSpan({ receiver }: WatchedStack, places: Places, { text, mark }: Plant): Promise<Planted> {
  const service = 'gateway';
  const telemetry = createTelemetry({ service, version: '0', logLevel: 'silent', otlpUrl: receiver.url });
  await withSpan(telemetry.tracer, 'planted', { note: text }, () => Promise.resolve());
  await telemetry.shutdown();
  await eventually(() => receiver.received().get(service)?.includes(mark), { description: 'the planted span' });
  return { found: await places.spans(), at: [`spans ${service}`], remove: stays };
}

async function inMetric({ metricsUrls }: WatchedStack, places: Places, { text }: Plant): Promise<Planted> {
  const registry = new Registry();
  new Counter({ name: 'planted_total', help: 'planted', labelNames: ['note'], registers: [registry] }).inc({
    note: text,
  });
  const server = createServer((_request, response) => {
    void registry.metrics().then((body) => response.end(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const before = metricsUrls.get('llm') ?? '';
  metricsUrls.set('llm', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const found = await places.metrics();
  metricsUrls.set('llm', before);
  server.closeAllConnections();
  server.close();
  return { found, at: ['metrics llm'], remove: stays };
}

/** An event's attributes take words of this alphabet: a service could put a title there that has blanks no more. */
async function inAuditEvent({ stack }: WatchedStack, places: Places, { text }: Plant): Promise<Planted> {
  const event = {
    event_id: randomUUID(),
    occurred_at: { seconds: Math.floor(Date.now() / 1000), nanos: 0 },
    action: 'document.upload',
    resource_type: 'document',
    outcome: 'OUTCOME_SUCCESS',
    attributes: [{ key: 'planted', value: text.replaceAll(/[^A-Za-z0-9_.:/-]/g, '-') }],
  };
  const caller = { peer: 'ingestion', role: 'clinician' };
  const { details, messages } = await createRpcCaller(stack).as(caller, 'audit', 'AppendEvents', { events: [event] });
  if (messages.length === 0) throw new Error(`the event was refused: ${details}`);
  return { found: await places.auditEvents(), at: ['audit events'], remove: stays };
}
