/** What the cache of vectors calls an entry, and how a vector stands in it. Nothing of a text is in either. */
import { createHmac } from 'node:crypto';

/** The first part of every name. Vectors that are made in another way need another version. */
const prefix = 'wardstone:vectors:v1';

/** Names of all entries, of one tenant or of any, as a pattern of Redis' SCAN. */
export function namesOfTenants(tenantId = '*'): string {
  return `${prefix}:${tenantId}:*`;
}

/** The name of an entry: whose it is, which model made it, and the digest of its text. */
export function entryName({ tenantId, modelId, digest }: EntryRef): string {
  return `${prefix}:${tenantId}:${modelId}:${digest}`;
}

/** The tenant of an entry's name; undefined when it is no such name. */
export function tenantOfName(name: string): string | undefined {
  return name.startsWith(`${prefix}:`) ? name.slice(prefix.length + 1).split(':', 1)[0] : undefined;
}

/** Where a vector belongs. */
export interface EntryRef {
  readonly tenantId: string;
  readonly modelId: string;
  /** Of `textDigest`. */
  readonly digest: string;
}

/** Names the place of a sealed vector: a value that was moved to another entry does not open there. */
export function placeOf({ tenantId, modelId, digest }: EntryRef) {
  return { tenantId, resource: `vector-cache/${modelId}/${digest}`, field: 'vector' };
}

/**
 * HMAC-SHA-256 under a key of the tenant's, base64url: of `model id 00 text`, so that the same text has nothing in common under
 * two models either. The text as it is sent: a lone surrogate becomes U+FFFD in UTF-8 here and there.
 */
export function textDigest(key: Uint8Array, modelId: string, text: string): string {
  return createHmac('sha256', key).update(`${modelId}\0${text}`).digest('base64url');
}

/** Little-endian float32, whatever the machine's byte order. */
export function vectorBytes(vector: Float32Array): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(vector.length * 4));
  for (const [at, value] of vector.entries()) bytes.setFloat32(at * 4, value, true);
  return new Uint8Array(bytes.buffer);
}

/** The vector of {@link vectorBytes}; undefined when it has not so many dimensions, or a value that is no number. */
export function vectorOfBytes(bytes: Uint8Array, dimensions: number): Float32Array | undefined {
  if (bytes.byteLength !== dimensions * 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const vector = Float32Array.from({ length: dimensions }, (_, at) => view.getFloat32(at * 4, true));
  return vector.every(Number.isFinite) ? vector : undefined;
}

/** Characters that a sealed vector has at most: base64url of its bytes, and a header of some hundreds. */
export function maxSealedChars(dimensions: number): number {
  return Math.ceil((dimensions * 4 * 4) / 3) + 2_048;
}
