import type { Principal } from '@wardstone/rpc';
import { createHash } from 'node:crypto';

/**
 * The id of the tenant that a principal makes under an idempotency key: a UUIDv8 (RFC 9562 §5.8) of a SHA-256 over both,
 * so that the repeated request names the same tenant and needs no memory here. The key of one principal can never name
 * the tenant of another: the subject is hashed with it, in a form in which no two pairs read alike.
 */
export function tenantIdOf({ kind, subject }: Pick<Principal, 'kind' | 'subject'>, idempotencyKey: string): string {
  const pair = JSON.stringify(['wardstone tenant', kind, subject, idempotencyKey]);
  const bytes = createHash('sha256').update(pair).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
