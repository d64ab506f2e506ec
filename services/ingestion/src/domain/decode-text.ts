/** Plain text and Markdown: bytes to a document's text. Runs in the extraction process. */
import { TextDecoder } from 'node:util';
import { DocumentTextBuilder } from './document-text.ts';
import type { DocumentText } from './document-text.ts';
import { Refused } from './refusal.ts';
import { textEncoding } from './text-encoding.ts';

/**
 * No text within the limit has more bytes: UTF-8 takes at most three for a UTF-16 code unit, and a byte order mark three.
 */
export function maxTextBytes(maxChars: number): number {
  return 3 * maxChars + 3;
}

/**
 * Decodes UTF-8, or UTF-16 with a byte order mark, strictly. Line ends become "\n"; NUL and other controls are dropped.
 * Formats without pages have one. Time is linear in the bytes.
 * Thrown: Refused TEXT_ENCODING when a byte is invalid, TEXT_TOO_LARGE over `maxChars`, NO_TEXT without a letter or digit.
 */
export function decodeText(bytes: Uint8Array, maxChars: number): DocumentText {
  const encoding = textEncoding(bytes);
  if (encoding === undefined) throw new Refused('TEXT_ENCODING');
  const text = decodeStrictly(bytes, encoding);
  if (text.length > maxChars) throw new Refused('TEXT_TOO_LARGE');
  const builder = new DocumentTextBuilder(maxChars);
  builder.addPage(1, cleanPlainText(text));
  return builder.finish(1);
}

function decodeStrictly(bytes: Uint8Array, encoding: string): string {
  const decoder = new TextDecoder(encoding, { fatal: true });
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new Refused('TEXT_ENCODING', { cause: error });
  }
}

/**
 * Layout is the author's and stays; only what no reader sees goes, and of a run of empty lines all but two. Line by line:
 * V8 runs out of stack over an expression that repeats itself over a run of some million characters.
 */
function cleanPlainText(raw: string): string {
  const text = raw.replace(lineEnds, '\n').replace(controls, '');
  const lines: string[] = [];
  let emptyLines = 0;
  for (let start = 0; start <= text.length;) {
    const end = text.indexOf('\n', start);
    const line = withoutTrailingBlanks(text.slice(start, end < 0 ? undefined : end));
    emptyLines = line === '' ? emptyLines + 1 : 0;
    if (emptyLines <= 2) lines.push(line);
    start = end < 0 ? text.length + 1 : end + 1;
  }
  return lines.join('\n').trim();
}

/** Scanned from the end: the expression for it takes the square of a run of blanks that something follows. */
function withoutTrailingBlanks(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end -= 1;
  return line.slice(0, end);
}

const lineEnds = /\r\n?|[\u0085\u2028\u2029\v\f]/g;
const controls = new RegExp('[\\u0000-\\u0008\\u000e-\\u001f\\u007f-\\u009f\\ufeff]', 'g');
