import type { HandlerContext } from '@connectrpc/connect';
import { callContext, pageTokensOf, tenantOf } from '@wardstone/rpc';
import type { ListDocumentsRequest } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { z } from 'zod';
import { openDocument } from '../adapters/document-seals.ts';
import { findPage } from '../db/documents.ts';
import { visibleStates } from '../domain/document.ts';
import type { DocumentState } from '../domain/document.ts';
import type { Deps } from '../ports.ts';
import { fromWireState, toWire } from './wire.ts';

const defaultPageSize = 50;

/** `before`: last id of the page before. */
const positionShape = z.strictObject({ before: z.uuid() });

/** The tenant's documents, newest first. */
export function listDocuments(deps: Pick<Deps, 'database' | 'auditor' | 'keys'>) {
  return async (request: ListDocumentsRequest, context: HandlerContext) => {
    const call = callContext(context);
    const tenantId = tenantOf(call);
    const states = wantedStates(request);
    const tokens = pageTokensOf([tenantId, ...states].join(' '), positionShape);
    const before = tokens.decode(request.pageToken)?.before;
    const pageSize = request.pageSize || defaultPageSize;

    const found = await deps.database.inTenant(tenantId, (tx) => findPage(tx, { states, before, limit: pageSize + 1 }));
    const page = found.slice(0, pageSize);
    const last = page.at(-1);

    await deps.auditor.record(call, {
      action: 'document.list',
      resourceType: 'document',
      resourceIds: page.map((document) => document.documentId),
      outcome: 'success',
    });
    const documents = await Promise.all(page.map((document) => openDocument(deps.keys, document)));
    return {
      documents: documents.map(toWire),
      nextPageToken: found.length > pageSize && last !== undefined ? tokens.encode({ before: last.documentId }) : '',
    };
  };
}

/** States that readers see, narrowed to those asked for; asking only for others finds nothing. */
function wantedStates(request: ListDocumentsRequest): readonly DocumentState[] {
  if (request.states.length === 0) return visibleStates;
  const asked = new Set(request.states.map(fromWireState));
  return visibleStates.filter((state) => asked.has(state));
}
