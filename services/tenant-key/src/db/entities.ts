import { EntitySchema } from 'typeorm';
import type { TenantState } from '../domain/tenant.ts';

/** Row of table `tenant`. */
export interface TenantRow {
  tenantId: string;
  displayName: string;
  state: TenantState;
  chunkSizeChars: number;
  chunkOverlapChars: number;
  deletionWindowDays: number;
  keyVersion: number;
  revision: number;
  createdAt: Date;
}

/** Row of table `data_key`. */
export interface DataKeyRow {
  tenantId: string;
  version: number;
  kmsKeyId: string;
  wrapped: Buffer;
  createdAt: Date;
  /** Since when the version is given out no more. */
  retiredAt: Date | null;
}

export const tenantEntity = new EntitySchema<TenantRow>({
  name: 'tenant',
  tableName: 'tenant',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    displayName: { name: 'display_name', type: 'text' },
    state: { type: 'text' },
    chunkSizeChars: { name: 'chunk_size_chars', type: 'int' },
    chunkOverlapChars: { name: 'chunk_overlap_chars', type: 'int' },
    deletionWindowDays: { name: 'deletion_window_days', type: 'int' },
    keyVersion: { name: 'key_version', type: 'int' },
    revision: { type: 'int' },
    createdAt: { name: 'created_at', type: 'timestamptz', precision: 3 },
  },
});

export const dataKeyEntity = new EntitySchema<DataKeyRow>({
  name: 'data_key',
  tableName: 'data_key',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    version: { type: 'int', primary: true },
    kmsKeyId: { name: 'kms_key_id', type: 'text' },
    wrapped: { type: 'bytea' },
    createdAt: { name: 'created_at', type: 'timestamptz', precision: 3 },
    retiredAt: { name: 'retired_at', type: 'timestamptz', precision: 3, nullable: true },
  },
});
