import type { MultipartFile } from '@fastify/multipart';
import { AppError, needs } from '@wardstone/rpc';
import type { FastifyRequest } from 'fastify';
import { asAppError } from '../problem.ts';
import { pacedWaits, type PaceBounds } from './pace.ts';

/** A multipart upload whose fields have been read and whose file is still to come. */
export interface MultipartUpload {
  readonly fields: Readonly<Record<string, string>>;
  /** Fields that may be given more than once, in their order. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
  /** As the client named it, without any path. */
  readonly fileName: string;
  /**
   * The file's bytes as they arrive: nothing is read from the client before it is asked for. Ends only when the form
   * itself has ended as it should.
   * Thrown: UPLOAD_INCOMPLETE, FILE_TOO_LARGE, REQUEST_TIMEOUT, INVALID_ARGUMENT when something follows the file.
   */
  readonly content: AsyncIterable<Uint8Array>;
}

/** Bounds of an upload. */
export interface UploadBounds {
  readonly maxBytes: number;
  /** How often fields may be given that may be given more than once, by name. */
  readonly lists: Readonly<Record<string, number>>;
  /** Longest wait for the next field, and for the file to begin. */
  readonly idleMs: number;
  /** The least pace of the file. */
  readonly pace: PaceBounds;
}

/** Metadata at its longest, each character as a JSON escape of its surrogates, has 49 KiB. */
const maxFieldBytes = 64 * 1024;
/** Labels one by one, and the other fields. */
const maxParts = 28;

/**
 * Reads the fields of a multipart form up to its file. The metadata of an upload goes ahead of its bytes, so that fields
 * come before the file; one that comes after it is refused rather than dropped.
 *
 * Thrown: INVALID_ARGUMENT, UPLOAD_INCOMPLETE.
 */
export async function readUpload(request: FastifyRequest, bounds: UploadBounds): Promise<MultipartUpload> {
  const limits = { fieldNameSize: 100, fieldSize: maxFieldBytes, fileSize: bounds.maxBytes, parts: maxParts };
  const parts = request.parts({ limits: { ...limits, headerPairs: 20 } });
  const fields: Record<string, string> = {};
  const lists: Record<string, string[]> = {};
  for (;;) {
    const next = await idleBounded(parts.next(), bounds.idleMs).catch((error: unknown) => {
      throw asFormError(error);
    });
    if (next.done === true) throw violation('file', 'is required');
    const part = next.value;
    if (part.type === 'file') {
      if (part.fieldname !== 'file') throw violation(part.fieldname, 'is not a field of this', 'UNKNOWN_FIELD');
      return { fields, lists, fileName: utf8('fileName', part.filename), content: content(part, parts, bounds) };
    }
    const { fieldname, value, valueTruncated } = part;
    if (valueTruncated) throw violation(fieldname, 'is too long');
    if (fieldname === 'file') throw violation('file', 'has no file name');
    const most = Object.hasOwn(bounds.lists, fieldname) ? bounds.lists[fieldname] : undefined;
    if (most !== undefined) {
      const list = (lists[fieldname] ??= []);
      if (list.length === most) throw violation(fieldname, `is given more than ${String(most)} times`);
      list.push(utf8(fieldname, value));
      continue;
    }
    if (Object.hasOwn(fields, fieldname)) throw violation(fieldname, 'is given more than once');
    fields[fieldname] = utf8(fieldname, value);
  }
}

/** A field whose text is JSON. Thrown: INVALID_ARGUMENT. */
export function jsonField(field: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's message quotes the text.
    throw violation(field, 'is not valid JSON');
  }
}

async function* content(
  part: MultipartFile,
  parts: AsyncIterator<unknown>,
  bounds: UploadBounds,
): AsyncGenerator<Uint8Array> {
  const { pace, waitFor } = pacedWaits(bounds.pace);
  const chunks = part.file[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  try {
    for (;;) {
      const chunk = await waitFor(chunks.next());
      if (chunk.done === true) break;
      pace.received(chunk.value.byteLength);
      yield chunk.value;
    }
    // The rest of a file that is too large is not waited for.
    needs(!part.file.truncated, 'FILE_TOO_LARGE');
    // The form has to end here: a body that was cut between two parts looks like a whole file otherwise.
    const after = await idleBounded(parts.next(), bounds.idleMs);
    if (after.done !== true) throw violation('file', 'is not the last part: fields stand before the file');
  } catch (error) {
    throw asFormError(error);
  } finally {
    part.file.destroy();
  }
}

/** Busboy's own errors say what is wrong with the form only in their message. */
function asFormError(error: unknown): AppError {
  const known = asAppError(error);
  if (known.reason !== 'INTERNAL' || !(error instanceof Error)) return known;
  if (/unexpected end|terminated early|premature|aborted/i.test(error.message)) {
    return new AppError('UPLOAD_INCOMPLETE', { cause: error });
  }
  return new AppError('INVALID_ARGUMENT', { cause: error, message: 'The multipart form is malformed.' });
}

// Busboy replaces what is not UTF-8; a name with a hole in it must not be stored.
function utf8(field: string, value: unknown): string {
  if (typeof value !== 'string') throw violation(field, 'is not text');
  if (value.includes('\ufffd')) throw violation(field, 'is not valid UTF-8');
  return value;
}

function violation(
  field: string,
  description: string,
  reason: 'INVALID_ARGUMENT' | 'UNKNOWN_FIELD' = 'INVALID_ARGUMENT',
): AppError {
  return new AppError(reason, { violations: [{ field: field.slice(0, 100), description }] });
}

async function idleBounded<T>(work: Promise<T>, idleMs: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new AppError('REQUEST_TIMEOUT')), idleMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
