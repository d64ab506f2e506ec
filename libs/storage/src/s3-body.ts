import { PassThrough, type Readable } from 'node:stream';
import { AppError } from '@wardstone/rpc';

/** Bytes held between the connection and a reader that is slower. */
const heldBytes = 256 * 1024;

/**
 * The bytes of an answer, with errors of ours: OBJECT_STORE_UNAVAILABLE when the connection breaks, the checksum is wrong, or S3
 * sends nothing for `idleTimeoutMs` while the reader waits. A reader that takes its time is not timed, and one that leaves
 * closes the connection.
 */
export function guardedBody(body: Readable, idleTimeoutMs: number): Readable {
  const out = new PassThrough({ highWaterMark: heldBytes });
  const fail = (cause: Error): void => {
    out.destroy(new AppError('OBJECT_STORE_UNAVAILABLE', { cause }));
  };
  let timer: NodeJS.Timeout | undefined;
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (out.writableNeedDrain) watch();
      else fail(new Error('no bytes came in time'));
    }, idleTimeoutMs);
  };
  body.on('data', watch);
  body.once('error', fail);
  // A connection that ends before its time may do so without an error; after the end this changes nothing.
  body.once('close', () => {
    if (!body.readableEnded) fail(new Error('the answer was cut'));
  });
  body.once('end', () => {
    clearTimeout(timer);
  });
  out.once('close', () => {
    clearTimeout(timer);
    body.destroy();
  });
  watch();
  return body.pipe(out);
}
