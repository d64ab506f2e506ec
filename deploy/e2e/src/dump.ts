import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { withDecodedReadings } from './encodings.ts';

/** Every row of every table of a database as text, the queue's included, a table at a time, with its decoded readings. */
export async function* dumpDatabase(adminUrl: string): AsyncGenerator<string> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
       where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
    );
    for (const { name } of rows) {
      const table = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
      const text = table.rows.map(({ row }) => row).join('\n');
      yield withDecodedReadings(`${name}\n${text}`);
    }
  } finally {
    await client.end();
  }
}

/**
 * Every file below a folder, read as Latin-1 so that no byte is lost, with its path before it and its
 * decoded readings behind. */
export async function* dumpFiles(dir: string): AsyncGenerator<string> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const text = await readFile(file, 'latin1').catch(whenGone);
    yield withDecodedReadings(`${path.relative(dir, file)}\n${text}`);
  }
}

/** A server that runs removes files meanwhile: one that is gone holds nothing. */
function whenGone(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
  throw error;
}

/** All of an async iterable. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
