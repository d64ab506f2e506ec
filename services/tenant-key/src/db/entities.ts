import { EntitySchema } from 'typeorm';

/** Row of table `tenant`. */
export interface TenantRow {
  tenantId: string;
  displayName: string;
  state: 'active';
  chunkSizeChars: number;
  chunkOverlapChars: number;
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
  },
});
