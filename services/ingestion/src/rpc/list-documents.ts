import { createHash } from 'node:crypto';
import type { HandlerContext } from '@connectrpc/connect';
import { AppError, callContext, decodePageToken, encodePageToken, tenantOf } from '@wardstone/rpc';
import type { ListDocumentsRequest } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { z } from 'zod';
import { openDocument } from '../adapters/document-seals.ts';
import { findPage } from '../db/documents.ts';
import { visibleStates } from '../domain/document.ts';
import type { DocumentState } from '../domain/document.ts';
import type { Deps } from '../ports.ts';
import { fromWireState, toWire } from './wire.ts';

const defaultPageSize = 50;

/** `before`: last id of the page before. `query`: digest of tenant and filter, so that a token fits its own list only. */
const pageTokenShape = z.strictObject({ before: z.uuid(), query: z.string() });

/** The tenant's documents, newest first. */
export function listDocuments(deps: Pick<Deps, 'database' | 'auditor' | 'keys'>) {
  return async (request: ListDocumentsRequest, context: HandlerContext) => {
    const call = callContext(context);
    const tenantId = tenantOf(call);
    const states = wantedStates(request);
    const query = digestOf(tenantId, states);
    const before = positionOf(request.pageToken, query);
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
      nextPageToken:
        found.length > pageSize && last !== undefined ? encodePageToken({ before: last.documentId, query }) : '',
    };
  };
}

/** States that readers see, narrowed to those asked for; asking only for others finds nothing. */
function wantedStates(request: ListDocumentsRequest): readonly DocumentState[] {
  if (request.states.length === 0) return visibleStates;
  const asked = new Set(request.states.map(fromWireState));
  return visibleStates.filter((state) => asked.has(state));
}

function digestOf(tenantId: string, states: readonly DocumentState[]): string {
  return createHash('sha256')
    .update(`${tenantId} ${states.join(' ')}`)
    .digest('base64url')
    .slice(0, 16);
}

function positionOf(pageToken: string, query: string): string | undefined {
  if (pageToken === '') return undefined;
  const position = decodePageToken(pageToken, pageTokenShape);
  if (position.query !== query) throw new AppError('PAGE_TOKEN_INVALID');
  return position.before;
}
