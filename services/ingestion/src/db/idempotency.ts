/** Idempotency keys of uploads (draft-ietf-httpapi-idempotency-key-header), kept for 24 hours. */
import { createHash } from 'node:crypto';
import { MoreThan, type EntityManager } from 'typeorm';
import { idempotencyEntity, type IdempotencyRow } from './entities.ts';

/** How long a key is remembered. */
const keyLifetimeMs = 24 * 60 * 60_000;

/** Keys are stored as a digest: callers put what they like into them. */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

export async function findKey(tx: EntityManager, keyHash: Buffer): Promise<IdempotencyRow | undefined> {
  return (await tx.findOneBy(idempotencyEntity, { keyHash, expiresAt: MoreThan(new Date()) })) ?? undefined;
}

/** False when another upload with the key was accepted first. */
export async function claimKey(tx: EntityManager, row: Omit<IdempotencyRow, 'expiresAt'>): Promise<boolean> {
  await tx.query('delete from idempotency_key where key_hash = $1 and expires_at <= now()', [row.keyHash]);
  const inserted: unknown = await tx.query(
    `insert into idempotency_key (tenant_id, key_hash, document_id, fingerprint_sealed, key_version, expires_at)
     values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning document_id`,
    [
      row.tenantId,
      row.keyHash,
      row.documentId,
      row.fingerprintSealed,
      row.keyVersion,
      new Date(Date.now() + keyLifetimeMs),
    ],
  );
  return Array.isArray(inserted) && inserted.length > 0;
}

/** Removes at most `maxRows` keys that ran out; gives their number. */
export async function removeExpiredKeys(tx: EntityManager, maxRows: number): Promise<number> {
  const [, removed] = await tx.query<[unknown, number]>(
    `delete from idempotency_key where ctid = any (array(
       select ctid from idempotency_key where expires_at <= now() limit $1))`,
    [maxRows],
  );
  return removed;
}
