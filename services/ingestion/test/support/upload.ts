/** Uploads as a caller makes them. */
import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { AppError, type Reason } from '@wardstone/rpc';
import type { Document, UploadDocumentRequestSchema } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { as, tenantA, type Harness } from './harness.ts';

export type UploadMessage = MessageInitShape<typeof UploadDocumentRequestSchema>;

export interface UploadOptions {
  readonly tenantId?: string;
  readonly fileName?: string;
  readonly title?: string;
  readonly idempotencyKey?: string;
  readonly labels?: string[];
  readonly metadata?: Record<string, string>;
  readonly pieceBytes?: number;
}

export async function* uploadMessages(bytes: Uint8Array, options: UploadOptions = {}): AsyncGenerator<UploadMessage> {
  const { fileName = 'note.txt', title = '', idempotencyKey = '', labels = [], metadata = {} } = options;
  const { pieceBytes = 65_536 } = options;
  yield { part: { case: 'metadata', value: { fileName, title, idempotencyKey, labels, metadata } } };
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield await Promise.resolve({ part: { case: 'data', value: bytes.subarray(at, at + pieceBytes) } } as const);
  }
  yield completeOf(bytes);
}

/** The message that says that these bytes were all. */
export function completeOf(bytes: Uint8Array): UploadMessage {
  const sha256 = createHash('sha256').update(bytes).digest();
  return { part: { case: 'complete', value: { sizeBytes: BigInt(bytes.length), sha256 } } };
}

export async function upload(
  harness: Pick<Harness, 'client'>,
  bytes: Uint8Array | string,
  options: UploadOptions = {},
): Promise<Document> {
  const body = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  const messages = uploadMessages(body, options);
  const { document } = await harness.client.uploadDocument(messages, as(options.tenantId ?? tenantA));
  if (document === undefined) throw new Error('the response has no document');
  return document;
}

/** The reason for which a promise was rejected; "none" when it was not. */
export async function reasonOf(promise: Promise<unknown>): Promise<Reason | 'none'> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return AppError.from(error).reason;
  }
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
