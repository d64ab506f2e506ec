/**
 * What the extraction process and its parent say to each other. The parent writes one frame per document to the
 * process's standard input: a 4-byte big-endian length, that many bytes of JSON (`ExtractionRequest`), then the PDF's
 * bytes. The process answers on standard output with one JSON object per line (`ExtractionMessage`).
 *
 * This module has no imports: the process may read nothing but its own folder and pdfjs-dist.
 */

/** What the process must know before a document's bytes. */
export interface ExtractionRequest {
  /** Length of the PDF that follows. */
  readonly bytes: number;
  /** A document with more pages is refused. */
  readonly maxPages: number;
  /** A document with more text is refused, in UTF-16 code units. */
  readonly maxChars: number;
}

/** Why the process gave a document up; each is also a reason of the error catalogue. */
export type ExtractionFailure =
  'PDF_CORRUPT' | 'PDF_ENCRYPTED' | 'PDF_NO_PAGES' | 'TOO_MANY_PAGES' | 'TEXT_TOO_LARGE' | 'EXTRACTION_MEMORY';

/** One line from the process. */
export type ExtractionMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened'; readonly pages: number }
  | { readonly kind: 'page'; readonly page: number; readonly text: string }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly failure: ExtractionFailure };

/** Longest JSON header that the process reads, in bytes. */
export const maxHeaderBytes = 4096;

/**
 * Longest line that a document within its limits can make: JSON writes one UTF-16 code unit in at most six bytes
 * (`\u0001`); pages never hold more than the document may.
 */
export function maxLineBytes(maxChars: number): number {
  return maxChars * 6 + 1024;
}
