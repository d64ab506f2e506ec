/** Plain text and Markdown: bytes to a document's text. */
import { TextDecoder } from 'node:util';
import { AppError } from '@wardstone/rpc';
import { DocumentTextBuilder } from './document-text.ts';
import type { DocumentText } from './document-text.ts';
import { textEncoding } from './media-type.ts';

/**
 * Decodes UTF-8, or UTF-16 with a byte order mark, strictly. Line ends become "\n"; NUL and other controls are dropped.
 * Formats without pages have one.
 * Thrown: AppError TEXT_ENCODING at the first invalid byte, TEXT_TOO_LARGE over `maxChars`, NO_TEXT without a letter or digit.
 */
export async function decodeText(body: AsyncIterable<Uint8Array>, maxChars: number): Promise<DocumentText> {
  const parts: string[] = [];
  let decoder: TextDecoder | undefined;
  let chars = 0;
  let start = Buffer.alloc(0);
  const decode = (bytes: Uint8Array | undefined): void => {
    decoder ??= decoderFor(start);
    const text = strictly(() => (bytes ? decoder?.decode(bytes, { stream: true }) : decoder?.decode()) ?? '');
    chars += text.length;
    if (chars > maxChars) throw new AppError('TEXT_TOO_LARGE');
    parts.push(text);
  };
  for await (const piece of body) {
    if (decoder !== undefined) {
      decode(piece);
      continue;
    }
    // The byte order mark may be split over pieces.
    start = Buffer.concat([start, piece]);
    if (start.length >= 4) decode(start);
  }
  if (decoder === undefined) decode(start);
  decode(undefined);
  const builder = new DocumentTextBuilder(maxChars);
  builder.addPage(1, cleanPlainText(parts.join('')));
  return builder.finish(1);
}

function decoderFor(start: Uint8Array): TextDecoder {
  const encoding = textEncoding(start);
  if (encoding === undefined) throw new AppError('TEXT_ENCODING');
  return new TextDecoder(encoding, { fatal: true });
}

function strictly(decode: () => string): string {
  try {
    return decode();
  } catch (error) {
    throw new AppError('TEXT_ENCODING', { cause: error });
  }
}

/** Layout is the author's and stays; only what no reader sees goes. */
function cleanPlainText(text: string): string {
  return text
    .replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n')
    .replace(/[\v\f]/g, '\n')
    .replace(controls, '')
    .split('\n')
    .map(withoutTrailingBlanks)
    .join('\n')
    .replace(/\n{4,}/g, '\n\n\n')
    .trim();
}

/** Scanned from the end: the expression for it takes the square of a run of blanks that something follows. */
function withoutTrailingBlanks(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end -= 1;
  return line.slice(0, end);
}

const controls = new RegExp('[\\u0000-\\u0008\\u000e-\\u001f\\u007f-\\u009f\\ufeff]', 'g');
