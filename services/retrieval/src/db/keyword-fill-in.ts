import type { EntityManager } from 'typeorm';
import type { DocumentKey } from '../domain/chunk.ts';

/** Documents of any tenant that have no keyword rows, in order, after one. Across tenants: ids only. */
export async function documentsWithoutKeywords(
  tx: EntityManager,
  after: DocumentKey,
  maxRows: number,
): Promise<DocumentKey[]> {
  const rows = await tx.query<{ tenant_id: string; document_id: string }[]>(
    'select tenant_id, document_id from documents_without_keywords($1, $2, $3)',
    [after.tenantId, after.documentId, maxRows],
  );
  return rows.map((row) => ({ tenantId: row.tenant_id, documentId: row.document_id }));
}
