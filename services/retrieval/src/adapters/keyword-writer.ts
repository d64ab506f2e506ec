import type { EntityManager } from 'typeorm';
import { insertPart } from '../db/keywords.ts';
import { createPartBuilder } from '../domain/part-builder.ts';
import type { TenantTerms } from './tenant-terms.ts';

/** Writes a document's keyword rows as its chunks come. Memory holds one part. */
export interface KeywordWriter {
  /** The next chunk, in order, by its searchable text; the empty text for one that cannot be read. */
  add(text: string): Promise<void>;
  /** Writes what is left. */
  finish(): Promise<void>;
}

/** Thrown by what it gives: DATABASE_UNAVAILABLE. */
export function createKeywordWriter(
  tx: EntityManager,
  document: { readonly tenantId: string; readonly documentId: string; readonly version: number },
  terms: TenantTerms,
): KeywordWriter {
  const { tenantId, documentId, version } = document;
  const builder = createPartBuilder((word) => terms.word(word));
  let part = 0;
  const finish = async (): Promise<void> => {
    if (builder.chunkCount === 0) return;
    const place = { documentId, version, part, termsKeyVersion: terms.keyVersion };
    part += 1;
    await insertPart(tx, tenantId, place, builder.take(place));
  };
  return {
    async add(text) {
      builder.add(text);
      if (builder.isFull) await finish();
    },
    finish,
  };
}
