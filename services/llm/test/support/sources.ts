import type { AnswerSource } from '../../src/ports.ts';

/** A source of one page. */
export function sourceOf(source: Partial<AnswerSource> & { readonly text: string }): AnswerSource {
  return {
    number: 1,
    chunkId: '0199a0c2-7a3e-5c1d-9a55-0d4c3b2a1f10',
    documentId: '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f01',
    version: 1,
    title: '',
    charStart: 0,
    pageBreaks: [{ page: 1, chunkOffset: 0 }],
    score: 0.5,
    ...source,
  };
}
