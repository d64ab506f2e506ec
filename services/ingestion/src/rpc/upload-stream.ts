/** An upload's messages as metadata and a checked stream of bytes. */
import { createHash } from 'node:crypto';
import { AppError, needs } from '@wardstone/rpc';
import type {
  UploadComplete,
  UploadDocumentRequest,
  UploadMetadata,
} from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { headBytes } from '../domain/media-type.ts';

/** An upload whose type can be decided, and whose body has not been taken yet but for its head. */
export interface OpenUpload {
  readonly metadata: UploadMetadata;
  /** The first bytes: all of a file shorter than `headBytes`. */
  readonly head: Uint8Array;
  /**
   * Every byte in order, the head included; may be read once, and no faster than it is taken. Ends without an error only
   * when the sender has said that the upload is complete, and what it said is true of the bytes.
   */
  body(): AsyncGenerator<Uint8Array>;
  /** Tells the sender that nothing more is wanted. */
  close(): Promise<void>;
}

/**
 * Thrown, here or while the body is read: UPLOAD_PROTOCOL when the messages do not come as agreed, UPLOAD_INCOMPLETE when
 * they end, in an error or in order, before the message that completes them, UPLOAD_MISMATCH when that message speaks of
 * other bytes, FILE_TOO_LARGE as soon as the limit is passed, EMPTY_FILE without bytes.
 */
export async function openUpload(
  messages: AsyncIterable<UploadDocumentRequest>,
  maxBytes: number,
): Promise<OpenUpload> {
  const source = messages[Symbol.asyncIterator]();
  const first = await next(source);
  needs(first !== undefined && first.part.case === 'metadata', 'UPLOAD_PROTOCOL');
  const metadata = first.part.value;
  const pieces = data(source, maxBytes);

  const head: Uint8Array[] = [];
  let length = 0;
  while (length < headBytes) {
    const piece = await pieces.next();
    if (piece.done === true) break;
    head.push(piece.value);
    length += piece.value.length;
  }
  needs(length > 0, 'EMPTY_FILE');

  return {
    metadata,
    head: Buffer.concat(head).subarray(0, headBytes),
    async *body() {
      yield* head;
      head.length = 0;
      yield* pieces;
    },
    async close() {
      await source.return?.(undefined).catch(() => undefined);
    },
  };
}

async function* data(source: AsyncIterator<UploadDocumentRequest>, maxBytes: number): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let total = 0;
  for (;;) {
    const message = await next(source);
    // A call that was cancelled, or cut by a proxy, may end like one that is whole: only the last message tells them apart.
    needs(message !== undefined, 'UPLOAD_INCOMPLETE');
    const { part } = message;
    if (part.case === 'complete') {
      needsMatch(part.value, total, hash.digest());
      needs((await next(source)) === undefined, 'UPLOAD_PROTOCOL');
      return;
    }
    needs(part.case === 'data', 'UPLOAD_PROTOCOL');
    const bytes = part.value;
    total += bytes.length;
    needs(total <= maxBytes, 'FILE_TOO_LARGE', { metadata: { maxBytes: String(maxBytes) } });
    hash.update(bytes);
    if (bytes.length > 0) yield bytes;
  }
}

/** What the sender says of the whole must hold of what arrived. */
function needsMatch({ sizeBytes, sha256 }: UploadComplete, arrivedBytes: number, arrived: Buffer): void {
  const wrong = (field: string, description: string) => ({ violations: [{ field, description }] });
  needs(
    sizeBytes === BigInt(arrivedBytes),
    'UPLOAD_MISMATCH',
    wrong('complete.size_bytes', 'is not the number of bytes that arrived'),
  );
  needs(arrived.equals(sha256), 'UPLOAD_MISMATCH', wrong('complete.sha256', 'is not the SHA-256 of what arrived'));
}

/** Faults of the sender's stream are an upload that was cut; a message that is not valid and a passed deadline are not. */
async function next(source: AsyncIterator<UploadDocumentRequest>): Promise<UploadDocumentRequest | undefined> {
  try {
    const result = await source.next();
    return result.done === true ? undefined : result.value;
  } catch (error) {
    const known = AppError.from(error);
    throw senderFaults.has(known.reason) ? new AppError('UPLOAD_INCOMPLETE', { cause: error }) : known;
  }
}

const senderFaults: ReadonlySet<string> = new Set(['CANCELLED', 'INTERNAL', 'SERVICE_UNAVAILABLE']);
