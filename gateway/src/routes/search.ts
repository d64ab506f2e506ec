import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import type { RouteDeps } from '../deps.ts';
import { type Route, route } from '../route.ts';
import { searchRequestSchema, searchResponseSchema } from '../schemas/search.ts';
import { toSpan } from '../wire/span.ts';
import { closedTenant, keyFaults } from './refusals.ts';

/** Longest JSON body that is not an upload: 4,000 characters, each escaped, and 100 ids fit in easily. */
export const maxJsonBytes = 256 * 1024;

/** Finding the chunks that answer a question. */
export function searchRoute({ services: { retrieval }, limits }: Pick<RouteDeps, 'services' | 'limits'>): Route {
  return route({
    method: 'POST',
    path: '/v1/search',
    access: { rpc: RetrievalService.method.search },
    operationId: 'search',
    summary: 'Search',
    description:
      'The chunks that answer a question best, by its words and by its vector. A POST, so that the question stands in no URL and no log.',
    tag: 'Search',
    body: {
      json: searchRequestSchema,
      name: 'SearchRequest',
      maxBytes: maxJsonBytes,
      timeoutMs: limits.bodyTimeoutMs,
    },
    success: { status: 200, description: 'What was found.', json: searchResponseSchema, name: 'SearchResponse' },
    problems: [
      'TENANT_NOT_FOUND',
      ...closedTenant,
      'MODEL_UNAVAILABLE',
      ...keyFaults,
      'DATABASE_UNAVAILABLE',
      'AUDIT_UNAVAILABLE',
    ],
    handle: async ({ body, as }) => {
      const { query, topK = 0, documentIds = [], filters = [] } = body;
      const { hits, unreadableChunks } = await retrieval.search({ query, topK, documentIds, filters }, as());
      return { hits: hits.map(({ span, ...hit }) => ({ ...hit, span: toSpan(span) })), unreadableChunks };
    },
  });
}
