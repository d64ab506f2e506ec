import { sealedColumn, type SealedText } from '@wardstone/crypto';
import { EntitySchema } from 'typeorm';

/** Row of `retrieval.indexed_document`: the version of a document that searches see. */
export interface IndexedDocumentRow {
  tenantId: string;
  documentId: string;
  version: number;
  /** Sealed under the tenant's content key; opens in this document's field `index_title` only. */
  titleSealed: SealedText;
  /** Labels and metadata, sealed as JSON in the field `index_labels`; null when there are none. */
  labelsSealed: SealedText | null;
  /** Version of the content key that both are sealed under. */
  contentKeyVersion: number;
  /** Version of the `terms` key of the keyword rows and filters; null while the document has none. */
  termsKeyVersion: number | null;
  chunkCount: number;
  indexedAt: Date;
}

export const indexedDocumentEntity = new EntitySchema<IndexedDocumentRow>({
  name: 'indexed_document',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    documentId: { name: 'document_id', type: 'uuid', primary: true },
    version: { type: 'int' },
    titleSealed: sealedColumn({ name: 'title_sealed', field: 'index_title' }),
    labelsSealed: sealedColumn({ name: 'labels_sealed', field: 'index_labels', nullable: true }),
    contentKeyVersion: { name: 'content_key_version', type: 'int' },
    termsKeyVersion: { name: 'terms_key_version', type: 'int', nullable: true },
    chunkCount: { name: 'chunk_count', type: 'int' },
    indexedAt: { name: 'indexed_at', type: 'timestamptz' },
  },
});

/** Row of `retrieval.chunk`. Its vectors, one of each model, are rows of `chunk_vector`. */
export interface ChunkRow {
  tenantId: string;
  documentId: string;
  version: number;
  /** Position in the document, from 0. */
  ordinal: number;
  /** Text and place, sealed; opens as this chunk of this document and version only. */
  passageSealed: SealedText;
  /** Version of the content key that it is sealed under. */
  contentKeyVersion: number;
}

export const chunkEntity = new EntitySchema<ChunkRow>({
  name: 'chunk',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    documentId: { name: 'document_id', type: 'uuid', primary: true },
    version: { type: 'int', primary: true },
    ordinal: { type: 'int', primary: true },
    passageSealed: sealedColumn({ name: 'passage_sealed', field: 'passage' }),
    contentKeyVersion: { name: 'content_key_version', type: 'int' },
  },
});

/** Row of `retrieval.removed_document`: a tombstone, so that a stage that still runs writes nothing. */
export interface RemovedDocumentRow {
  tenantId: string;
  documentId: string;
  removedAt: Date;
}

export const removedDocumentEntity = new EntitySchema<RemovedDocumentRow>({
  name: 'removed_document',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    documentId: { name: 'document_id', type: 'uuid', primary: true },
    removedAt: { name: 'removed_at', type: 'timestamptz' },
  },
});

/** Every entity of the schema `retrieval`. */
export const entities = [indexedDocumentEntity, chunkEntity, removedDocumentEntity];
