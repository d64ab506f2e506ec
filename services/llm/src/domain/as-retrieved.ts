import type { Reranker } from '../ports.ts';

/** The stage left out: sources stay in the order in which retrieval ranked them. */
export const asRetrieved: Reranker = {
  id: 'as-retrieved',
  billed: () => undefined,
  candidates: (topK) => topK,
  rerank: (_question, sources, topK) => Promise.resolve({ sources: sources.slice(0, topK) }),
};
