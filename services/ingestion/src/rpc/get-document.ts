import type { HandlerContext } from '@connectrpc/connect';
import { callContext } from '@wardstone/rpc';
import type { GetDocumentRequest } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { openDocument } from '../adapters/document-seals.ts';
import type { Deps } from '../ports.ts';
import { loadAudited } from './load-document.ts';
import { toWire } from './wire.ts';

/** One document's metadata and state. */
export function getDocument(deps: Pick<Deps, 'database' | 'auditor' | 'keys'>) {
  return async (request: GetDocumentRequest, context: HandlerContext) => {
    const document = await loadAudited(deps, callContext(context), request.documentId, 'document.read');
    return { document: toWire(await openDocument(deps.keys, document)) };
  };
}
