import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { AppError } from './app-error.ts';

/** What a page token may hold: where the next page begins. */
export type PageTokenValue = Readonly<Record<string, string | number>>;

/** The part of a zod schema that decodePageToken needs. */
export interface PageTokenShape<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false };
}

const version = 1;
const maxTokenChars = 1_024;
const tagBytes = 16;
const digestChars = 16;

/**
 * Makes an opaque page token: base64url of versioned JSON. With a key, the token is authenticated (HMAC-SHA-256, 128 bits),
 * so that a caller cannot make up positions. A token is not encrypted: put ids and times in it, never text.
 */
export function encodePageToken(value: PageTokenValue, key?: Uint8Array): string {
  const body = Buffer.from(JSON.stringify({ ...value, v: version }));
  return Buffer.concat(key ? [tagOf(body, key), body] : [body]).toString('base64url');
}

/**
 * Opens a page token and checks it against a shape (a strict zod object).
 * Thrown: AppError PAGE_TOKEN_INVALID for anything that encodePageToken did not make with the same key and shape.
 */
export function decodePageToken<T>(token: string, shape: PageTokenShape<T>, key?: Uint8Array): T {
  const parsed = shape.safeParse(parse(token, key));
  if (!parsed.success) throw new AppError('PAGE_TOKEN_INVALID');
  return parsed.data;
}

/** Page tokens of one list. */
export interface PageTokens<T> {
  encode(position: T): string;
  /** Undefined for an empty token: the first page. Thrown: AppError PAGE_TOKEN_INVALID, also for a token of another list. */
  decode(token: string): T | undefined;
}

/**
 * Page tokens that fit their own list only: they hold a digest of `list`, which says whose it is and how it is filtered. Give the
 * shape of a position without it.
 */
export function pageTokensOf<T extends PageTokenValue>(list: string, shape: PageTokenShape<T>): PageTokens<T> {
  const digest = createHash('sha256').update(list).digest('base64url').slice(0, digestChars);
  const bound: PageTokenShape<T> = {
    safeParse: (value) => {
      const { list: of, ...position } = value as Readonly<Record<string, unknown>>;
      return of === digest ? shape.safeParse(position) : { success: false };
    },
  };
  return {
    encode: (position) => encodePageToken({ ...position, list: digest }),
    decode: (token) => (token === '' ? undefined : decodePageToken(token, bound)),
  };
}

function parse(token: string, key: Uint8Array | undefined): object {
  const bytes = token.length <= maxTokenChars ? Buffer.from(token, 'base64url') : Buffer.alloc(0);
  // Node skips what is not base64url; a token that does not come out the same was made up.
  if (bytes.length === 0 || bytes.toString('base64url') !== token) throw new AppError('PAGE_TOKEN_INVALID');
  const body = key ? authenticated(bytes, key) : bytes;
  try {
    const decoded: unknown = JSON.parse(body.toString('utf8'));
    if (typeof decoded === 'object' && decoded !== null && 'v' in decoded) {
      const { v, ...value } = decoded;
      if (v === version) return value;
    }
  } catch (error) {
    throw new AppError('PAGE_TOKEN_INVALID', { cause: error });
  }
  throw new AppError('PAGE_TOKEN_INVALID');
}

function authenticated(bytes: Buffer, key: Uint8Array): Buffer {
  const tag = bytes.subarray(0, tagBytes);
  const body = bytes.subarray(tagBytes);
  if (tag.length !== tagBytes || !timingSafeEqual(tag, tagOf(body, key))) throw new AppError('PAGE_TOKEN_INVALID');
  return body;
}

function tagOf(body: Uint8Array, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update('wardstone page token').update(body).digest().subarray(0, tagBytes);
}
