/** From an original's bytes to its chunks: the one way in for every media type. */
import type { ChunkSizes } from '../domain/chunking.ts';
import type { MediaType } from '../domain/media-type.ts';
import type { ExtractionPool } from './pool.ts';
import type { ExtractedText } from './process.ts';

export interface Original {
  readonly tenantId: string;
  readonly mediaType: MediaType;
  /** Length of the body. */
  readonly bytes: number;
  /** Not touched before a process is free for it. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface ExtractOptions {
  readonly pool: Pick<ExtractionPool, 'extract'>;
  readonly sizes: ChunkSizes;
  readonly signal: AbortSignal;
  /** Share of the document that was read, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/**
 * Hands the text to `use` when all of it has been read and cut, which is done in a process of its own.
 * Thrown: AppError with the reason for which the document has no usable text; what the body's iterator or `use` threw.
 */
export async function extractDocument<T>(
  original: Original,
  { pool, sizes, signal, onProgress }: ExtractOptions,
  use: (text: ExtractedText) => Promise<T>,
): Promise<T> {
  const { tenantId, mediaType, bytes, body } = original;
  const kind = mediaType === 'application/pdf' ? 'pdf' : 'text';
  const onPage = (page: number, pages: number): void => onProgress?.(page / pages);
  return pool.extract(tenantId, { kind, bytes, body, sizes, signal, onPage }, use);
}
