/** What extraction found, gathered so that a test can look at it. */
import type { ChunkLine } from '@wardstone/queue';
import type { ExtractedText } from '../../src/extraction/process.ts';

export interface Gathered {
  readonly pageCount: number;
  readonly charCount: number;
  readonly chunks: readonly ChunkLine[];
  /** The document's text; a line feed stands for each blank between chunks. */
  readonly text: string;
}

export const testSizes = { chunkSizeChars: 400, chunkOverlapChars: 60 };

export async function gather({ pageCount, charCount, chunks: source }: ExtractedText): Promise<Gathered> {
  const chunks: ChunkLine[] = [];
  let text = '';
  for await (const chunk of source) {
    chunks.push(chunk);
    text = text.padEnd(chunk.charStart, '\n') + chunk.text.slice(Math.max(0, text.length - chunk.charStart));
  }
  return { pageCount, charCount, chunks, text };
}

/** The bytes in pieces, as a store hands them over. */
export async function* pieces(bytes: Uint8Array, pieceBytes = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield await Promise.resolve(bytes.subarray(at, at + pieceBytes));
  }
}
