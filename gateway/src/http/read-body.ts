import { AppError } from '@wardstone/rpc';
import type { IncomingMessage } from 'node:http';
import { createPace, type PaceBounds } from './pace.ts';

/** Bounds of a body that is held in memory. */
export interface BodyBounds {
  readonly maxBytes: number;
  /** Longest time for the whole body. */
  readonly timeoutMs: number;
  /** The least pace, where the whole body may take longer than a slow client should. */
  readonly pace?: PaceBounds | undefined;
}

/**
 * Reads a whole body into memory, within a bound of bytes and of time, so that nobody holds memory or a connection by
 * sending slowly.
 *
 * Thrown: BODY_TOO_LARGE, REQUEST_TIMEOUT, UPLOAD_INCOMPLETE when the client leaves in the middle.
 */
export function readBody(payload: IncomingMessage, bounds: BodyBounds): Promise<Buffer> {
  const announced = Number(payload.headers['content-length'] ?? 0);
  if (announced > bounds.maxBytes) return Promise.reject(new AppError('BODY_TOO_LARGE'));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (outcome: AppError | Buffer): void => {
      clearTimeout(timer);
      pace?.pause();
      payload.off('data', onData).off('end', onEnd).off('close', onCut);
      if (Buffer.isBuffer(outcome)) resolve(outcome);
      else reject(outcome);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.byteLength;
      pace?.received(chunk.byteLength);
      if (bytes > bounds.maxBytes) settle(new AppError('BODY_TOO_LARGE'));
      else chunks.push(chunk);
    };
    const onEnd = (): void => settle(Buffer.concat(chunks, bytes));
    const onCut = (): void => settle(new AppError('UPLOAD_INCOMPLETE'));
    const pace = bounds.pace === undefined ? undefined : createPace(bounds.pace, settle);
    const timer = setTimeout(() => settle(new AppError('REQUEST_TIMEOUT')), bounds.timeoutMs);
    // The listener stays: an error after we have settled must not be an unhandled one.
    payload.on('error', onCut);
    payload.on('data', onData).on('end', onEnd).on('close', onCut);
    pace?.wait();
  });
}
