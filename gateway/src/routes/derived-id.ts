import type { Principal } from '@wardstone/rpc';
import { createHash } from 'node:crypto';

/**
 * The id of what a principal makes under an idempotency key: a UUIDv8 (RFC 9562 §5.8) of a SHA-256 over the kind of thing,
 * the principal and the key, so that the repeated request names the same thing and needs no memory here. `within` names what
 * the thing belongs to, where one key may serve for several. The key of one principal can never name what another made:
 * the subject is hashed with it, in a form in which no two lists read alike.
 */
export function derivedIdOf(
  thing: 'tenant' | 'key-rotation' | 'offboarding',
  { kind, subject }: Pick<Principal, 'kind' | 'subject'>,
  idempotencyKey: string,
  ...within: readonly string[]
): string {
  const parts = JSON.stringify([`wardstone ${thing}`, kind, subject, idempotencyKey, ...within]);
  const bytes = createHash('sha256').update(parts).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
