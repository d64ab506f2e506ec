import type { Readable } from 'node:stream';
import { AppError } from '@wardstone/rpc';

/**
 * A flat store of named byte sequences. Every implementation passes `test/object-store.contract.ts`.
 *
 * A key is one to sixteen segments of `[A-Za-z0-9][A-Za-z0-9._-]*`, joined by `/`, 512 characters at most; any other is INTERNAL:
 * keys are made by the program, never by its users. A store that cannot be reached or written is OBJECT_STORE_UNAVAILABLE.
 */
export interface ObjectStore {
  /**
   * Stores the body under the key, replacing what was there: all of it or nothing, durable when the promise resolves. When
   * the body throws, that error is thrown; when the signal fires, CANCELLED; neither leaves anything behind.
   */
  put(key: string, body: AsyncIterable<Uint8Array>, options?: { signal?: AbortSignal }): Promise<{ bytes: number }>;
  /** The bytes. A reader sees one whole version, even while it is replaced or deleted. Thrown: NOT_FOUND. */
  get(key: string): Promise<Readable>;
  /** Its size, or undefined when there is none. */
  head(key: string): Promise<{ bytes: number } | undefined>;
  /** Removes it; nothing happens when there is none. */
  delete(key: string): Promise<void>;
  /** Removes everything under `prefix` (whole segments: "a/b" does not cover "a/bc"). Answers how many there were. */
  deletePrefix(prefix: string): Promise<number>;
  /** Keys under `prefix` (whole segments; empty means all), in no order. What changes meanwhile may be there or not. */
  list(prefix: string): AsyncIterable<string>;
  /** Resolves when the store can be used. Thrown: OBJECT_STORE_UNAVAILABLE. */
  check(): Promise<void>;
}

/** A valid key. Segments start with a letter or digit, so that `..`, `.` and hidden names cannot be written. */
export const objectKeyPattern =
  /^(?=.{1,512}$)[A-Za-z0-9][A-Za-z0-9._-]{0,127}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,15}$/;

/** Thrown when a key is not valid: a fault of the program. */
export function checkKey(key: string): void {
  if (!objectKeyPattern.test(key)) throw new AppError('INTERNAL', { message: 'not a valid object key' });
}

/** The error of a `get` that finds nothing. */
export function objectNotFound(cause?: unknown): AppError {
  return new AppError('NOT_FOUND', { message: 'there is no such object', ...(cause === undefined ? {} : { cause }) });
}
