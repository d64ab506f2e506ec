/**
 * Blind terms: what stands in an index in the place of words. HMAC-SHA-256 (RFC 2104, FIPS 198-1) under the tenant's `terms`
 * key, cut to 64 bits: equal words of one tenant give equal numbers, and without the key a number tells no word.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { needs } from '@wardstone/rpc';

const keyBytes = 32;
/** Fixed, public: it separates this use of the key from any other that may come. */
const domain = 'wardstone/blind-term/v1';
const kindPattern = /^[a-z][a-z0-9_.:]{0,99}$/;

/** Blind terms of one tenant and key version. */
export interface BlindTerms {
  /**
   * The term of a value, as a signed 64-bit number (a `bigint` of Postgres). Values of two kinds never meet, whatever they are.
   * Thrown: INTERNAL for a kind that is no plain name of at most 100 characters.
   */
  term(kind: string, value: string): bigint;
}

/**
 * Terms of a key: the first 8 bytes, big-endian, of HMAC-SHA-256(key, UTF-8 of `wardstone/blind-term/v1`, 0x00, kind, 0x00, value).
 * A kind holds no zero byte, so that the message has one reading only. With 64 bits a tenant of a million words has two of one
 * number with odds of 1 in 37 million. Thrown: INTERNAL when the key is not 32 bytes. The key may be wiped after the call.
 */
export function createBlindTerms(key: Uint8Array): BlindTerms {
  needs(key.byteLength === keyBytes, 'INTERNAL', { message: 'a terms key has 32 bytes' });
  const secret: KeyObject = createSecretKey(key);
  return {
    term(kind, value) {
      needs(kindPattern.test(kind), 'INTERNAL', { message: 'a kind of terms is a plain name' });
      return createHmac('sha256', secret).update(`${domain}\0${kind}\0${value}`).digest().readBigInt64BE(0);
    },
  };
}
