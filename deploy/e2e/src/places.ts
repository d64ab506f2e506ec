import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';
import { serviceNames } from '@wardstone/local/platform/programs';
import { textOf } from './clear-text.ts';
import type { Piece } from './leak-search.ts';
import type { OtlpReceiver } from './otlp-receiver.ts';
import { sealedMessage } from './sealed-message.ts';
import type { Stack } from './stack.ts';

/** Every place of a running platform in which something stays, or from which something is sent. */
export interface Places {
  /** The database, with whatever the client's transaction has changed. */
  readonly database: (client: pg.Client) => Promise<Piece[]>;
  readonly objects: () => Promise<Piece[]>;
  readonly keyStore: () => Promise<Piece[]>;
  readonly logs: () => Promise<Piece[]>;
  readonly temporaryFiles: () => Promise<Piece[]>;
  readonly databaseLog: () => Promise<Piece[]>;
  readonly spans: () => Promise<Piece[]>;
  readonly metrics: () => Promise<Piece[]>;
  readonly auditEvents: () => Promise<Piece[]>;
}

export interface PlacesOptions {
  readonly receiver: OtlpReceiver;
  readonly temporaryDir: string;
  /** Where /metrics is, by the program's name. */
  readonly metricsUrls: ReadonlyMap<string, string>;
}

export function placesOf(stack: Stack, { receiver, temporaryDir, metricsUrls }: PlacesOptions): Places {
  const { objectsDir, kmsDir, logsDir, postgresDir } = stack.platform.layout;
  return {
    database: tables,
    objects: async () => (await files(objectsDir)).map(objectPiece),
    keyStore: async () => (await files(kmsDir)).map(keyPiece),
    logs: async () => (await files(logsDir)).map(({ name, bytes }) => piece(`log ${path.basename(name)}`, bytes)),
    temporaryFiles: async () =>
      (await files(temporaryDir)).map(({ name, bytes }) => piece('temporary file', bytes, name)),
    databaseLog: async () => [piece('database log', await readFile(path.join(postgresDir, 'postgres.log')))],
    spans: () =>
      Promise.resolve([...receiver.received()].map(([service, text]) => ({ place: `spans ${service}`, text }))),
    metrics: async () => Promise.all([...metricsUrls].map(async ([name, url]) => metricsPiece(name, url))),
    auditEvents: async () => [{ place: 'audit events', text: await auditEvents(stack) }],
  };
}

/** Where each service's metrics are, the gateway's being on a port of their own. */
export function metricsUrlsOf(stack: Stack, gatewayMetricsPort: number): Map<string, string> {
  return new Map(
    serviceNames.map((name) => [
      name,
      name === 'gateway' ? `http://127.0.0.1:${gatewayMetricsPort}` : stack.platform.urls[name],
    ]),
  );
}

/** All pieces of all places. */
export async function everything(places: Places, client: pg.Client): Promise<Piece[]> {
  const { database, ...others } = places;
  const collected = await Promise.all([database(client), ...Object.values(others).map(async (collect) => collect())]);
  return collected.flat();
}

/**
 * Every table, materialised view and view of every schema, the queue's and the server's own (statistics, sessions and their
 * statements) included. Left out is information_schema, which shows again what pg_catalog holds.
 */
async function tables(client: pg.Client): Promise<Piece[]> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', nspname, relname) as name
     from pg_class join pg_namespace n on n.oid = relnamespace
     where relkind in ('r', 'm', 'v') and nspname <> 'information_schema' and nspname !~ '^pg_(toast|temp)'
     order by 1`,
  );
  const pieces: Piece[] = [];
  for (const { name } of rows) {
    const found = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
    pieces.push({ place: `table ${name}`, text: found.rows.map(({ row }) => row).join('\n') });
  }
  return pieces;
}

interface File {
  readonly name: string;
  readonly bytes: Buffer;
}

async function files(dir: string): Promise<File[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return Promise.all(names.map(async (name) => ({ name: path.relative(dir, name), bytes: await readFile(name) })));
}

function piece(place: string, bytes: Buffer, name = ''): Piece {
  return { place, text: `${name}\n${bytes.toString('latin1')}` };
}

/** An object that is not sealed as it must be is searched byte by byte. */
function objectPiece({ name, bytes }: File): Piece {
  const sealed = sealedMessage(bytes);
  const found = piece(sealed ? 'object' : 'object that is not sealed', bytes, name);
  return sealed ? { ...found, clear: `${name} ${sealed.field}` } : found;
}

const masterKeyBytes = 32;
/** A format byte, an IV of 12 bytes, at least nothing, and a tag of 16. */
const minSealedKeyBytes = 1 + 12 + 16;

function keyPiece({ name, bytes }: File): Piece {
  const isSealed = bytes[0] === 1 && bytes.byteLength >= minSealedKeyBytes;
  const isMaster = name === 'master.key' && bytes.byteLength === masterKeyBytes;
  const found = piece('key store', bytes, name);
  return isSealed || isMaster ? { ...found, clear: `${name} ${textOf(bytes.subarray(isSealed ? 1 : 0))}` } : found;
}

async function metricsPiece(name: string, url: string): Promise<Piece> {
  const response = await fetch(new URL('/metrics', url), { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`the metrics of ${name} answered ${response.status}`);
  return { place: `metrics ${name}`, text: await response.text() };
}

const maxPages = 50;

/** Every page of the tenant's audit log as its auditor reads it. */
async function auditEvents(stack: Stack): Promise<string> {
  const rest = stack.as('north-auditor');
  const pages: string[] = [];
  let token = '';
  for (let page = 0; page < maxPages; page += 1) {
    const { status, body } = await rest.call<{ nextToken?: string | null }>(
      'GET',
      `/v1/audit-events?pageSize=200${token === '' ? '' : `&pageToken=${encodeURIComponent(token)}`}`,
    );
    if (status !== 200) throw new Error(`listing audit events answered ${status}`);
    pages.push(JSON.stringify({ ...body, nextToken: undefined }));
    if (!body.nextToken) return pages.join('\n');
    token = body.nextToken;
  }
  throw new Error(`the audit log has more than ${maxPages} pages`);
}
