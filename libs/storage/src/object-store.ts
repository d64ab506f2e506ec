import type { Readable } from 'node:stream';
import { AppError } from '@wardstone/rpc';

/**
 * A flat store of named byte sequences. Every implementation passes `test/object-store.contract.ts`.
 *
 * A key is one to sixteen segments of `[A-Za-z0-9][A-Za-z0-9._-]*`, joined by `/`, 512 characters at most; any other is INTERNAL:
 * keys are made by the program, never by its users. A store that cannot be reached or written is OBJECT_STORE_UNAVAILABLE. Stores with
 * keys and rights of their own also throw OBJECT_STORE_THROTTLED, OBJECT_STORE_ACCESS_DENIED, CREDENTIALS_EXPIRED, CLOCK_SKEW,
 * and for the key that an object is encrypted under KEY_DISABLED, KEY_PENDING_DELETION, KEY_UNAVAILABLE, KMS_THROTTLED.
 */
export interface ObjectStore {
  /**
   * Stores the body under the key, replacing what was there: all of it or nothing, durable when the promise resolves. When
   * the body throws, that error is thrown; when the signal fires, CANCELLED; neither leaves anything behind.
   * Thrown: OBJECT_CHANGED, and nothing is stored, when `ifMatch` is given and is not the tag of what is there.
   */
  put(key: string, body: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ bytes: number }>;
  /** The bytes. A reader sees one whole version, even while it is replaced or deleted. Thrown: NOT_FOUND. */
  get(key: string): Promise<Readable>;
  /** Its size and its tag, or undefined when there is none. */
  head(key: string): Promise<ObjectHead | undefined>;
  /** Removes it, in all its versions where the store keeps them; nothing happens when there is none. */
  delete(key: string): Promise<void>;
  /**
   * Removes what earlier puts of the key left behind, where the store keeps versions; what readers see now stays, and nothing
   * happens when there is none. Answers how many versions there were.
   */
  deleteReplaced(key: string): Promise<number>;
  /**
   * Removes everything under `prefix` (whole segments: "a/b" does not cover "a/bc"), in all versions, and what was begun
   * there and never finished. Answers how many objects there were.
   */
  deletePrefix(prefix: string): Promise<number>;
  /** Keys under `prefix` (whole segments; empty means all), in no order. What changes meanwhile may be there or not. */
  list(prefix: string): AsyncIterable<string>;
  /** Resolves when the store can be used. */
  check(): Promise<void>;
}

/** How to store. */
export interface PutOptions {
  readonly signal?: AbortSignal;
  /** Only over this very object: a tag that `head` gave. What was replaced or deleted meanwhile is left alone. */
  readonly ifMatch?: string;
}

/** What is known of an object without reading it. */
export interface ObjectHead {
  readonly bytes: number;
  /** Names this content under this key; another put gives another one. Opaque. */
  readonly etag: string;
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
