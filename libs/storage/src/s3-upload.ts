/** Storing of a body whose length nobody knows: whole or not at all, in constant memory. */
import { Readable } from 'node:stream';
import { AbortMultipartUploadCommand, type PutObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { errorNameOf } from '@wardstone/aws';
import { AppError, needs } from '@wardstone/rpc';
import { s3Error } from './s3-errors.ts';
import { untilAborted } from './until-aborted.ts';

/** Of one part; a body that is shorter is stored by one request. S3 takes 10,000 parts: 78 GiB. Two of them are in memory. */
const partBytes = 8 * 1024 * 1024;

/**
 * One part after the other: with several at once, lib-storage reads and sends the rest of the body after one has failed. Its
 * own abort is not used either, since it answers before the parts are cleaned up.
 */
const partsAtOnce = 1;

/** Uploads the body. Thrown: what the body throws, CANCELLED, or what became of S3. An upload that fails is aborted first. */
export async function upload(
  client: S3Client,
  params: Omit<PutObjectCommandInput, 'Body'>,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<{ bytes: number }> {
  const isAborted = (): boolean => signal?.aborted === true;
  needs(!isAborted(), 'CANCELLED');
  const source = new Source(signal === undefined ? body : untilAborted(body, signal));
  const running = new Upload({
    client: signal === undefined ? client : stoppedBy(client, signal),
    params: { ...params, Body: Readable.from(source.read(), { objectMode: false }) },
    partSize: partBytes,
    queueSize: partsAtOnce,
  });
  try {
    await running.done();
  } catch (error) {
    if (isAborted()) throw new AppError('CANCELLED', { cause: error });
    // When cleaning up fails as well, lib-storage throws that instead of what happened.
    if (source.failed) throw source.failure;
    // What a condition is said to be that asks for an object which is no longer there; nothing else in a put is missing a key.
    if (errorNameOf(error) === 'NoSuchKey') throw new AppError('OBJECT_CHANGED', { cause: error });
    throw s3Error(error);
  }
  return { bytes: source.bytes };
}

/** Counts what passes, and remembers what the body threw, as against what its reader ended it with. */
class Source {
  bytes = 0;
  failed = false;
  failure: unknown;
  readonly #body: AsyncIterable<Uint8Array>;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#body = body;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    const iterator = this.#body[Symbol.asyncIterator]();
    let ended = false;
    try {
      for (;;) {
        const step = await this.#next(iterator);
        ended = step.done === true;
        if (step.done === true) return;
        this.bytes += step.value.byteLength;
        if (step.value.byteLength > 0) yield step.value;
      }
    } finally {
      if (!ended && !this.failed) await iterator.return?.();
    }
  }

  async #next(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    try {
      return await iterator.next();
    } catch (error) {
      this.failed = true;
      this.failure = error;
      throw error;
    }
  }
}

/** The client, its requests ended by the signal: all but the one that removes the parts, which comes after. */
function stoppedBy(client: S3Client, signal: AbortSignal): S3Client {
  const send = (command: Parameters<S3Client['send']>[0]): Promise<unknown> =>
    command instanceof AbortMultipartUploadCommand
      ? client.send(command)
      : client.send(command, { abortSignal: signal });
  return Object.assign(Object.create(client) as S3Client, { send });
}
