import { type Reason, needs } from '@wardstone/rpc';
import {
  type DocumentState,
  DocumentStateSchema,
  IngestionService,
} from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import type { RouteDeps } from '../deps.ts';
import { demandedEtag, entityTag, ifMatchHeader, isFresh } from '../http/entity-tag.ts';
import { type Route, route } from '../route.ts';
import { documentPageSchema, documentParams, documentQuery, documentSchema } from '../schemas/document.ts';
import { maxPageTokenChars, page } from '../schemas/page.ts';
import { toDocument } from '../wire/document.ts';
import { enumValue } from '../wire/enums.ts';
import { closedTenant, keyFaults } from './refusals.ts';

/** What may go wrong wherever a document is shown: its title and file name are sealed. */
export const opensTitles = [...closedTenant, ...keyFaults, 'SEALED_VALUE_INVALID'] as const satisfies readonly Reason[];

/** Listing, reading and deleting documents. */
export function documentRoutes({ services: { ingestion } }: Pick<RouteDeps, 'services'>): Route[] {
  const list = route({
    method: 'GET',
    path: '/v1/documents',
    access: { rpc: IngestionService.method.listDocuments },
    operationId: 'listDocuments',
    summary: 'List documents',
    description: "The tenant's documents, newest first.",
    tag: 'Documents',
    query: documentQuery,
    success: { status: 200, description: 'A page of documents.', json: documentPageSchema, name: 'DocumentPage' },
    problems: ['PAGE_TOKEN_INVALID', ...opensTitles, 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
    handle: async ({ query, as }) => {
      const { pageSize = 0, pageToken = '', state = [] } = query;
      needs(pageToken.length <= maxPageTokenChars, 'PAGE_TOKEN_INVALID');
      const states = state.map((name) => enumValue<DocumentState>(DocumentStateSchema, name));
      const { documents, nextPageToken } = await ingestion.listDocuments({ pageSize, pageToken, states }, as());
      return page(documents.map(toDocument), nextPageToken);
    },
  });

  const get = route({
    method: 'GET',
    path: '/v1/documents/{documentId}',
    access: { rpc: IngestionService.method.getDocument },
    operationId: 'getDocument',
    summary: 'Get a document',
    description: 'Its metadata, state and progress; the ETag changes with each of them.',
    tag: 'Documents',
    params: documentParams,
    notFound: 'DOCUMENT_NOT_FOUND',
    headers: {
      'If-None-Match': {
        description: 'Etags in double quotes, comma-separated, or *: answered with 304 when one is right.',
      },
    },
    success: {
      status: 200,
      description: 'The document.',
      json: documentSchema,
      name: 'Document',
      notModified: 'The document has the etag that If-None-Match names.',
      headers: { ETag: "The document's etag, for If-Match and If-None-Match." },
    },
    problems: ['DOCUMENT_NOT_FOUND', ...opensTitles, 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
    handle: async ({ params, request, reply, as }) => {
      const { document } = await ingestion.getDocument({ documentId: params.documentId }, as());
      const shown = toDocument(document);
      reply.header('ETag', entityTag(shown.etag));
      if (isFresh(request.headers['if-none-match'], shown.etag)) reply.code(304);
      return shown;
    },
  });

  const remove = route({
    method: 'DELETE',
    path: '/v1/documents/{documentId}',
    access: { rpc: IngestionService.method.deleteDocument },
    operationId: 'deleteDocument',
    summary: 'Delete a document',
    description: 'Unreadable and unfindable at once; its traces are removed behind.',
    tag: 'Documents',
    params: documentParams,
    notFound: 'DOCUMENT_NOT_FOUND',
    headers: {
      'If-Match': ifMatchHeader('the document has changed since'),
    },
    success: { status: 204, description: 'The document is gone.' },
    problems: [
      'INVALID_ARGUMENT',
      'DOCUMENT_NOT_FOUND',
      'DOCUMENT_CHANGED',
      ...closedTenant,
      'DATABASE_UNAVAILABLE',
      'AUDIT_UNAVAILABLE',
    ],
    handle: async ({ params, request, as }) => {
      const etag = demandedEtag(request.headers['if-match']) ?? '';
      await ingestion.deleteDocument({ documentId: params.documentId, etag }, as());
    },
  });

  return [list, get, remove];
}
