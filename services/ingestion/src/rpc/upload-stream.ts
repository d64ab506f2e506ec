/** An upload's messages as metadata and a checked stream of bytes. */
import { AppError, needs } from '@wardstone/rpc';
import type { UploadDocumentRequest, UploadMetadata } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { headBytes } from '../domain/media-type.ts';

/** An upload whose type can be decided, and whose body has not been taken yet but for its head. */
export interface OpenUpload {
  readonly metadata: UploadMetadata;
  /** The first bytes: all of a file shorter than `headBytes`. */
  readonly head: Uint8Array;
  /** Every byte in order, the head included; may be read once, and no faster than it is taken. */
  body(): AsyncGenerator<Uint8Array>;
  /** Tells the sender that nothing more is wanted. */
  close(): Promise<void>;
}

/**
 * Thrown, here or while the body is read: UPLOAD_PROTOCOL when the messages do not come as agreed, UPLOAD_INCOMPLETE when
 * they end in an error, FILE_TOO_LARGE as soon as the limit is passed, EMPTY_FILE without bytes.
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
  let total = 0;
  for (let message = await next(source); message !== undefined; message = await next(source)) {
    needs(message.part.case === 'data', 'UPLOAD_PROTOCOL');
    const bytes = message.part.value;
    total += bytes.length;
    needs(total <= maxBytes, 'FILE_TOO_LARGE', { metadata: { maxBytes: String(maxBytes) } });
    if (bytes.length > 0) yield bytes;
  }
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
