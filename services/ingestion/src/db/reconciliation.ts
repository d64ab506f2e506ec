/** What the reconciler sees across tenants: ids, through functions of the schema's owner. */
import type { EntityManager } from 'typeorm';

/** Names a document of any tenant. */
export interface DocumentKey {
  readonly tenantId: string;
  readonly documentId: string;
}

/** Documents that have not ended and that nobody looked at since, longest first. */
export async function unsettledDocuments(
  tx: EntityManager,
  checkedBefore: Date,
  maxRows: number,
): Promise<DocumentKey[]> {
  const found = await tx.query<{ tenant_id: string; document_id: string }[]>(
    'select tenant_id, document_id from unsettled_documents($1, $2)',
    [checkedBefore, maxRows],
  );
  return found.map((row) => ({ tenantId: row.tenant_id, documentId: row.document_id }));
}

export async function tenantsWithExpiredKeys(tx: EntityManager, maxRows: number): Promise<string[]> {
  const found = await tx.query<{ tenant_id: string }[]>('select tenant_id from tenants_with_expired_keys($1)', [
    maxRows,
  ]);
  return found.map((row) => row.tenant_id);
}
