/** What a file is, from its first bytes. A name, an ending and a header can say anything. */
import { AppError } from '@wardstone/rpc';
import { fileTypeFromBuffer } from 'file-type';
import { textEncoding } from './text-encoding.ts';

/** Types that can be read. */
export type MediaType = 'application/pdf' | 'text/plain' | 'text/markdown';

/** How many bytes of a file decide its type; what file-type asks for, rounded up. */
export const headBytes = 8192;

/** ISO 32000-2, annex I: readers look for the header within the first 1024 bytes. */
const pdfHeaderWithinBytes = 1024;

/** Formats that are text to the eye but would be indexed as markup or code. */
const markup = /^\s*(?:<\?xml|<!doctype\s|<html|<svg|\{\\rtf|%!PS)/i;

/**
 * Thrown: AppError EMPTY_FILE without bytes; UNSUPPORTED_TYPE for any other format; TEXT_ENCODING for what looks like text
 * but is neither UTF-8 nor UTF-16 with a byte order mark.
 *
 * @param head the first `headBytes` of the file, or all of a shorter one
 * @param fileName tells Markdown from plain text, and nothing else: the two are the same bytes
 */
export async function detectMediaType(head: Uint8Array, fileName: string): Promise<MediaType> {
  if (head.length === 0) throw new AppError('EMPTY_FILE');
  if (looksLikePdf(head.subarray(0, pdfHeaderWithinBytes))) return 'application/pdf';
  const text = decodeHead(head);
  if (text === undefined) {
    const binary = hasControls(head) || (await fileTypeFromBuffer(head)) !== undefined;
    throw new AppError(binary ? 'UNSUPPORTED_TYPE' : 'TEXT_ENCODING');
  }
  if (markup.test(text)) throw new AppError('UNSUPPORTED_TYPE');
  return /\.(?:md|markdown)$/i.test(fileName) ? 'text/markdown' : 'text/plain';
}

/** By its header; or, where that was lost, by an object, so that a damaged PDF is called that. */
function looksLikePdf(head: Uint8Array): boolean {
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
  return text.includes('%PDF-') || /(?:^|\s)\d+ \d+ obj\s*<</.test(text);
}

/** The head as text; undefined when it is not. The last character may be cut in the middle. */
function decodeHead(head: Uint8Array): string | undefined {
  const encoding = textEncoding(head);
  if (encoding === undefined) return undefined;
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(head, { stream: true });
    return /[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function hasControls(head: Uint8Array): boolean {
  return head.some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27));
}
