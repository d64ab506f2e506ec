import { sealedColumn, type SealedText } from '@wardstone/crypto';
import { EntitySchema } from 'typeorm';
import type { SealedDocument } from '../domain/document.ts';

/** bigint arrives as text; sizes and revisions stay far below 2^53. */
const numberFromBigint = { from: (value: string) => Number(value), to: (value: number) => value };

/** Row of `ingestion.document`: a document with its sealed fields sealed, and when the reconciler last looked at it. */
export type DocumentRow = { -readonly [Field in keyof SealedDocument]: SealedDocument[Field] } & { checkedAt: Date };

export const documentEntity = new EntitySchema<DocumentRow>({
  name: 'document',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid' },
    documentId: { name: 'document_id', type: 'uuid', primary: true },
    version: { type: 'int' },
    state: { type: 'text' },
    percent: { type: 'smallint' },
    failureReason: { name: 'failure_reason', type: 'text', nullable: true },
    titleSealed: sealedColumn({ name: 'title_sealed', field: 'title' }),
    fileNameSealed: sealedColumn({ name: 'file_name_sealed', field: 'file_name' }),
    mediaType: { name: 'media_type', type: 'text' },
    sizeBytes: { name: 'size_bytes', type: 'bigint', transformer: numberFromBigint },
    labelsSealed: sealedColumn({ name: 'labels_sealed', field: 'labels', nullable: true }),
    digestSealed: sealedColumn({ name: 'digest_sealed', field: 'digest', nullable: true }),
    keyVersion: { name: 'key_version', type: 'int' },
    pageCount: { name: 'page_count', type: 'int' },
    chunkCount: { name: 'chunk_count', type: 'int' },
    createdBy: { name: 'created_by', type: 'text' },
    requestId: { name: 'request_id', type: 'text' },
    revision: { type: 'bigint', transformer: numberFromBigint },
    createdAt: { name: 'created_at', type: 'timestamptz' },
    updatedAt: { name: 'updated_at', type: 'timestamptz' },
    checkedAt: { name: 'checked_at', type: 'timestamptz' },
  },
});

/** Row of `ingestion.idempotency_key`. */
export interface IdempotencyRow {
  tenantId: string;
  /** SHA-256 of the caller's key. */
  keyHash: Buffer;
  documentId: string;
  /** Digest of what was uploaded and under which names, sealed. */
  fingerprintSealed: SealedText;
  /** Version of the key that it is sealed under. */
  keyVersion: number;
  expiresAt: Date;
}

export const idempotencyEntity = new EntitySchema<IdempotencyRow>({
  name: 'idempotency_key',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    keyHash: { name: 'key_hash', type: 'bytea', primary: true },
    documentId: { name: 'document_id', type: 'uuid' },
    fingerprintSealed: sealedColumn({ name: 'fingerprint_sealed', field: 'fingerprint' }),
    keyVersion: { name: 'key_version', type: 'int' },
    expiresAt: { name: 'expires_at', type: 'timestamptz' },
  },
});

/** Every entity of the schema `ingestion`. */
export const entities = [documentEntity, idempotencyEntity];
