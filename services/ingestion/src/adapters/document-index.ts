/** The index, through retrieval's RPC. */
import { systemPrincipal } from '@wardstone/access';
import { asPrincipal, type ServiceClient } from '@wardstone/rpc';
import type { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import type { DocumentIndex } from '../ports.ts';

const timeoutMs = 5_000;

export function createDocumentIndex(
  client: Pick<ServiceClient<typeof RetrievalService>, 'removeDocument'>,
): DocumentIndex {
  return {
    async removeDocument(tenantId, documentId, requestId) {
      // Removal goes on after the caller is gone, and again from the reconciler: the service acts in its own name.
      const principal = systemPrincipal('ingestion', tenantId);
      await client.removeDocument({ documentId }, asPrincipal(principal, { requestId, timeoutMs }));
    },
  };
}
