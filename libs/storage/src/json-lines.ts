/** JSON lines (https://jsonlines.org): one value a line, UTF-8, a line feed after each. */
import { AppError } from '@wardstone/rpc';

/** Longest line in bytes, line feed not counted. */
export const maxJsonLineBytes = 4 * 1024 * 1024;

const lineFeed = 0x0a;
/** Lines are handed on in pieces of at least this, so that many short lines cost few writes. */
const flushBytes = 64 * 1024;

/**
 * Writes values as lines; a string is a line of JSON text as it is. Thrown: INTERNAL on a value that has no JSON, a text with
 * a line feed, or a line that is too long.
 */
export async function* toJsonLines(values: AsyncIterable<unknown> | Iterable<unknown>): AsyncGenerator<Uint8Array> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const value of values) {
    const json = typeof value === 'string' ? value : (JSON.stringify(value) as string | undefined);
    if (json === undefined || json === '' || json.includes('\n')) {
      throw new AppError('INTERNAL', { message: 'a value is not one line of JSON' });
    }
    const line = Buffer.from(`${json}\n`);
    if (line.byteLength - 1 > maxJsonLineBytes) throw new AppError('INTERNAL', { message: 'a line is too long' });
    pending.push(line);
    pendingBytes += line.byteLength;
    if (pendingBytes < flushBytes) continue;
    yield Buffer.concat(pending);
    pending = [];
    pendingBytes = 0;
  }
  if (pendingBytes > 0) yield Buffer.concat(pending);
}

/**
 * Reads lines as values, however the bytes are cut. Thrown: INTERNAL on a line that is too long, is not UTF-8 or not JSON,
 * and on a last line without its line feed: it was cut off.
 */
export async function* parseJsonLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  let pieces: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      checkLength(held + end - start);
      pieces.push(chunk.subarray(start, end));
      yield parse(pieces);
      pieces = [];
      held = 0;
      start = end + 1;
    }
    if (start < chunk.byteLength) pieces.push(chunk.subarray(start));
    held += chunk.byteLength - start;
    checkLength(held);
  }
  if (held > 0) throw new AppError('INTERNAL', { message: 'the last line is cut off' });
}

function checkLength(bytes: number): void {
  if (bytes > maxJsonLineBytes) throw new AppError('INTERNAL', { message: 'a line is too long' });
}

/** The cause is left out: what JSON.parse says of a fault quotes the line. */
function parse(pieces: readonly Uint8Array[]): unknown {
  try {
    const line = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces));
    const value: unknown = JSON.parse(line);
    return value;
  } catch {
    throw new AppError('INTERNAL', { message: 'a line is not JSON' });
  }
}
