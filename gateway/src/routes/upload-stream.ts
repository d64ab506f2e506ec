import type { MessageInitShape } from '@bufbuild/protobuf';
import { AppError, type StreamMemory } from '@wardstone/rpc';
import type { UploadDocumentRequestSchema } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { createHash } from 'node:crypto';

/** A document on its way in. */
export interface Upload {
  readonly fileName: string;
  readonly title: string;
  readonly idempotencyKey: string;
  readonly labels: string[];
  readonly metadata: Record<string, string>;
  /** Ends without an error only when the client's own body ended as it should. */
  readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

type Message = MessageInitShape<typeof UploadDocumentRequestSchema>;

/**
 * The messages of one upload.
 *
 * The last one says that the upload is complete, and is sent only when the content has ended without a fault. The end of
 * the stream says nothing: an HTTP/2 client that gives up a stream (`stream.close(CANCEL)` in Node) ends it first and
 * resets it after.
 */
export class Sending {
  readonly messages: AsyncGenerator<Message>;
  /** Why the upload was broken off; undefined while all is well. */
  fault: unknown;

  constructor(upload: Upload, options: { readonly timeoutMs: number; readonly streamMemory: StreamMemory }) {
    this.messages = this.#write(upload, performance.now() + options.timeoutMs, options.streamMemory);
  }

  /** Lets go of the content when the service answered before it had all of it. */
  stop(): void {
    void this.messages.return(undefined).catch(() => undefined);
  }

  async *#write(upload: Upload, endsAt: number, streamMemory: StreamMemory): AsyncGenerator<Message> {
    const { content, ...metadata } = upload;
    const hash = createHash('sha256');
    let sizeBytes = 0;
    yield { part: { case: 'metadata', value: metadata } };
    try {
      for await (const value of content) {
        if (performance.now() > endsAt) throw new AppError('REQUEST_TIMEOUT');
        hash.update(value);
        sizeBytes += value.byteLength;
        yield { part: { case: 'data', value } };
        streamMemory.passed(value.byteLength);
      }
    } catch (error) {
      this.fault = error;
      throw error;
    }
    yield { part: { case: 'complete', value: { sizeBytes: BigInt(sizeBytes), sha256: hash.digest() } } };
  }
}
