/**
 * What the extraction process and its parent say to each other. The parent writes one frame per document to the
 * process's standard input: a 4-byte big-endian length, that many bytes of JSON (`ExtractionRequest`), then the document's
 * bytes. The process answers on standard output with one JSON object per line (`ExtractionMessage`): for a PDF `opened` and
 * `page` as it reads, then `text`, every `chunk` in order, and `done`; or `failed` at any time.
 *
 * Loaded by the process: see domain/refusal.ts for what that means.
 */
import type { Chunk, ChunkSizes } from '../domain/chunking.ts';
import type { Refusal } from '../domain/refusal.ts';

/** What the process must know before a document's bytes. Limits and sizes in UTF-16 code units. */
export interface ExtractionRequest extends ChunkSizes {
  readonly kind: 'pdf' | 'text';
  /** Length of the document that follows. */
  readonly bytes: number;
  /** A document with more pages is refused. */
  readonly maxPages: number;
  /** A document with more text is refused. */
  readonly maxChars: number;
}

/** One line from the process. */
export type ExtractionMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened'; readonly pages: number }
  | { readonly kind: 'page'; readonly page: number }
  | { readonly kind: 'text'; readonly pages: number; readonly chars: number; readonly chunks: number }
  | ({ readonly kind: 'chunk' } & Chunk)
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly refusal: Refusal };

/** Longest JSON header that the process reads, in bytes. */
export const maxHeaderBytes = 4096;

/**
 * Longest line that a document within its limits can make, in bytes: JSON writes one UTF-16 code unit in at most six bytes
 * (`\u0001`), and a page's place in a chunk in at most 64.
 */
export function maxLineBytes(maxChunkChars: number, maxPages: number): number {
  return maxChunkChars * 6 + Math.min(maxPages, maxChunkChars) * 64 + 1024;
}
