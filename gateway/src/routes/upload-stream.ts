import type { MessageInitShape } from '@bufbuild/protobuf';
import { AppError } from '@wardstone/rpc';
import type { UploadDocumentRequestSchema } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import type { StreamMemory } from '../http/stream-memory.ts';

/** A document on its way in. */
export interface Upload {
  readonly fileName: string;
  readonly title: string;
  readonly idempotencyKey: string;
  readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

type Message = MessageInitShape<typeof UploadDocumentRequestSchema>;

/**
 * The messages of one upload.
 *
 * An HTTP/2 client that gives up a stream (`stream.close(CANCEL)` in Node) ends it first and resets it after: to the
 * service, an upload that is cancelled looks for a moment like one that is complete, and a document cut in the middle could
 * be kept as a whole one. Therefore an upload is never given up silently. It is broken off with a message that no upload may
 * hold (one that is neither metadata nor data), which the service refuses before it sees any end.
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
    const { fileName, title, idempotencyKey, content } = upload;
    yield { part: { case: 'metadata', value: { fileName, title, idempotencyKey } } };
    try {
      for await (const value of content) {
        if (performance.now() > endsAt) throw new AppError('REQUEST_TIMEOUT');
        yield { part: { case: 'data', value } };
        streamMemory.passed(value.byteLength);
      }
    } catch (error) {
      this.fault = error;
      yield brokenOff;
      throw error;
    }
  }
}

const brokenOff: Message = { part: { case: undefined } };
