/**
 * Measures extraction over a set of PDFs with reference texts:
 *   node services/ingestion/scripts/measure-extraction.ts ../shared/data/pdf
 * The folder holds manifest.jsonl, one {file, expect, ref?, agree?, password_needed?} per line. Prints what became of each
 * file that is not as expected, or whose token F1 is under 0.9, and the mean over the files that a reference can judge.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@wardstone/rpc';
import { detectMediaType, headBytes } from '../src/domain/media-type.ts';
import { extractDocument } from '../src/extraction/extract-document.ts';
import { createExtractionPool } from '../src/extraction/pool.ts';

interface Entry {
  readonly file: string;
  readonly expect: 'text' | 'no_text' | 'password_required' | 'error';
  readonly ref?: string;
  readonly agree?: number | null;
  readonly tool_f1?: number;
  readonly password_needed?: boolean;
}

const maxChars = 16 * 1024 * 1024;
const sizes = { chunkSizeChars: 1_000, chunkOverlapChars: 150 };

const [folder = '.', only = ''] = process.argv.slice(2);
const entries = (await readFile(join(folder, 'manifest.jsonl'), 'utf8'))
  .split('\n')
  .filter((line) => line.trim() !== '' && line.includes(only))
  .map((line) => JSON.parse(line) as Entry);
const pool = createExtractionPool({
  concurrency: 1,
  maxHeapMiB: 1024,
  limits: { maxPages: 5000, maxChars, maxRssBytes: 2 ** 31, timeoutMs: 120_000, pageTimeoutMs: 60_000 },
});
const scores: number[] = [];
const outcomes = new Map<string, number>();
let pages = 0;
const started = performance.now();
for (const entry of entries) {
  const result = await extract(entry.file);
  pages += result.pages;
  const key = `${entry.password_needed === true ? 'password_required' : entry.expect} → ${result.reason}`;
  outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
  const score = await judge(entry, result.text);
  if (score !== undefined) scores.push(score);
  if (only !== '') console.log(result.text);
  if (!isExpected(entry, result.reason) || (score !== undefined && score < 0.9)) {
    console.log(`${entry.file.replace('files/', '').padEnd(62)} ${key.padEnd(36)} ${score?.toFixed(3) ?? ''}`);
  }
}
const seconds = (performance.now() - started) / 1000;
await pool.close();
console.log('');
for (const [key, count] of [...outcomes].sort()) console.log(`${key.padEnd(40)} ${String(count)}`);
const mean = scores.reduce((sum, score) => sum + score, 0) / Math.max(1, scores.length);
console.log(
  `\nmean token F1 ${mean.toFixed(4)} over ${String(scores.length)} files; ${String(pages)} pages in ${seconds.toFixed(1)} s`,
);

async function extract(file: string): Promise<{ reason: string; text: string; pages: number }> {
  const bytes = await readFile(join(folder, file));
  try {
    const mediaType = await detectMediaType(bytes.subarray(0, headBytes), file);
    return await extractDocument(
      { tenantId: 'measure', mediaType, bytes: bytes.length, body: pieces(bytes) },
      { pool, sizes, signal: new AbortController().signal },
      async ({ pageCount, chunks }) => ({ reason: 'text', text: await joined(chunks), pages: pageCount }),
    );
  } catch (error) {
    return { reason: AppError.from(error).reason, text: '', pages: 0 };
  }
}

/** The text again: chunks overlap, and only blanks lie between them. */
async function joined(chunks: AsyncIterable<{ charStart: number; text: string }>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) {
    text = text.padEnd(chunk.charStart, '\n') + chunk.text.slice(Math.max(0, text.length - chunk.charStart));
  }
  return text;
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield await Promise.resolve(bytes.subarray(at, at + 65_536));
}

/** A file that needs a password is judged by its reason; the platform takes none. */
function isExpected(entry: Entry, reason: string): boolean {
  if (entry.password_needed === true || entry.expect === 'password_required') return reason === 'PDF_ENCRYPTED';
  if (entry.expect === 'no_text') return reason === 'NO_TEXT';
  return entry.expect === 'text' ? reason === 'text' : reason.startsWith('PDF_');
}

async function judge(entry: Entry, text: string): Promise<number | undefined> {
  const trusted = (entry.agree ?? entry.tool_f1 ?? 0) >= 0.9;
  if (entry.expect !== 'text' || entry.ref === undefined || !trusted || entry.password_needed === true)
    return undefined;
  return tokenF1(tokens(text), tokens(await readFile(join(folder, entry.ref), 'utf8')));
}

function tokens(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

function tokenF1(found: readonly string[], reference: readonly string[]): number {
  const left = new Map<string, number>();
  for (const token of reference) left.set(token, (left.get(token) ?? 0) + 1);
  let matches = 0;
  for (const token of found) {
    const count = left.get(token) ?? 0;
    if (count > 0) {
      matches += 1;
      left.set(token, count - 1);
    }
  }
  return found.length + reference.length === 0 ? 1 : (2 * matches) / (found.length + reference.length);
}
