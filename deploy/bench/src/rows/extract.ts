import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { extractDocument } from '@wardstone/ingestion/extraction/extract-document';
import { createExtractionPool, type ExtractionPool } from '@wardstone/ingestion/extraction/pool';
import { pagesPdf } from '@wardstone/testing';
import { readWithBarePdfjs } from '../bare-pdfjs.ts';
import { inventedPdfs } from '../material.ts';
import { filesBelow, sharedDataDir } from '../shared-data.ts';
import type { Bench, Measured, Row } from '../row.ts';
import { alternateMedians, secondsOf } from '../statistics.ts';

const rounds = 5;
const maxChars = 16 * 1024 * 1024;
const sizes = { chunkSizeChars: 1_000, chunkOverlapChars: 150 };

/** Ingestion's extraction and chunking, with the process that it keeps PDFs in, against pdfjs-dist's text in a loop. */
export const extractRow: Row = {
  name: 'extract',
  measure: async ({ progress, signal }: Bench) => {
    const materials = await findMaterials();
    const pool = createExtractionPool({
      // One process against one loop: the ratio is the price of the protection, not of the machine's cores.
      concurrency: 1,
      maxHeapMiB: 1024,
      limits: {
        maxPages: 5_000,
        maxChars,
        maxRssBytes: 1536 * 1024 * 1024,
        timeoutMs: 600_000,
        pageTimeoutMs: 60_000,
      },
    });
    try {
      const results: Measured[] = [];
      for (const { what, files } of materials) {
        signal.throwIfAborted();
        progress(`extract: ${what}`);
        results.push(await compare(pool, what, files, signal));
      }
      return results;
    } finally {
      await pool.close();
    }
  },
};

interface Files {
  readonly what: string;
  readonly files: readonly Uint8Array[];
}

async function findMaterials(): Promise<readonly Files[]> {
  const short = await Promise.all(Array.from({ length: 4 }, async () => pagesPdf(50)));
  const notes = (await filesBelow('pdf-notes/files')).filter((name) => name.endsWith('.pdf'));
  const dir = path.join(sharedDataDir, 'pdf-notes/files');
  return [
    { what: 'pages of one line, 4 × 50', files: short },
    { what: 'full pages, 8 × 10', files: await inventedPdfs(8, 10) },
    ...(notes.length === 0
      ? []
      : [
          {
            what: `pdf-notes, ${notes.length} files`,
            files: await Promise.all(notes.map(async (name) => readFile(path.join(dir, name)))),
          },
        ]),
  ];
}

async function compare(
  pool: ExtractionPool,
  what: string,
  files: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<Measured> {
  const pages = await readWithBarePdfjs(files);
  const perSecond = async (work: () => Promise<unknown>): Promise<number> => pages / (await secondsOf(work));
  const tenantId = randomUUID();
  const [ours, bare] = await alternateMedians(rounds, [
    async () => perSecond(async () => readWithPool(pool, tenantId, files, signal)),
    async () => perSecond(async () => readWithBarePdfjs(files)),
  ]);
  return {
    what: `extraction: ${what}`,
    unit: 'pages/s',
    better: 'higher',
    ours,
    ...(bare === undefined ? {} : { bare }),
    bareIs: 'pdfjs-dist in a loop',
  };
}

async function readWithPool(
  pool: ExtractionPool,
  tenantId: string,
  files: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<void> {
  for (const file of files) {
    const original = { tenantId, mediaType: 'application/pdf', bytes: file.length, body: once(file) } as const;
    // A scan without text is refused when it has been read: that is the whole work, too.
    await extractDocument(original, { pool, sizes, signal }, readAll).catch((error: unknown) => {
      if (!(error instanceof Error && 'reason' in error && error.reason === 'NO_TEXT')) throw error;
    });
  }
}

async function readAll({ chunks }: { chunks: AsyncIterable<unknown> }): Promise<number> {
  let count = 0;
  for await (const _chunk of chunks) count += 1;
  return count;
}

async function* once(file: Uint8Array): AsyncGenerator<Uint8Array> {
  yield file;
}
