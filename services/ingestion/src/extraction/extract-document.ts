/** From an original's bytes to its text: the one way in for every media type. */
import { DocumentTextBuilder } from '../domain/document-text.ts';
import type { DocumentText } from '../domain/document-text.ts';
import { decodeText } from '../domain/decode-text.ts';
import type { MediaType } from '../domain/media-type.ts';
import type { ExtractionPool } from './pool.ts';

export interface Original {
  readonly tenantId: string;
  readonly mediaType: MediaType;
  /** Length of the body. */
  readonly bytes: number;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface ExtractOptions {
  readonly pool: Pick<ExtractionPool, 'extract'>;
  readonly maxChars: number;
  readonly signal: AbortSignal;
  /** Share of the document that was read, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** Thrown: AppError with the reason for which the document has no usable text; what the body's iterator threw. */
export async function extractDocument(original: Original, options: ExtractOptions): Promise<DocumentText> {
  if (original.mediaType !== 'application/pdf') return decodeText(original.body, options.maxChars);
  const builder = new DocumentTextBuilder(options.maxChars);
  let pageCount = 0;
  await options.pool.extract(original.tenantId, {
    bytes: original.bytes,
    body: original.body,
    signal: options.signal,
    onOpened: (pages) => {
      pageCount = pages;
    },
    onPage: (page, text) => {
      builder.addPage(page, text);
      options.onProgress?.(page / pageCount);
    },
  });
  return builder.finish(pageCount);
}
