/** What every Reranker does, whatever it is made of; to be called inside `describe`. */
import { AppError } from '@wardstone/rpc';
import { expect } from 'chai';
import type { AnswerSource, Reranker } from '../../src/ports.ts';
import { sourceOf } from './sources.ts';

export const question = 'Why was warfarin stopped?';
/** The last one answers. */
export const shuffled: readonly AnswerSource[] = [
  sourceOf({ number: 1, chunkId: 'a', title: 'Canteen', text: 'Lunch is served at noon on weekdays.' }),
  sourceOf({ number: 2, chunkId: 'b', title: 'Rules', text: 'Visitors stopped at the desk are asked for a badge.' }),
  sourceOf({ number: 3, chunkId: 'c', title: 'Letter', text: 'Warfarin was stopped because of bleeding.' }),
];

export function reranks(rerankerOf: () => Reranker): void {
  const rerank = async (sources: readonly AnswerSource[], topK: number) => {
    const frozen = Object.freeze(sources.map((source) => Object.freeze({ ...source })));
    const ranked = await rerankerOf().rerank(question, frozen, topK, new AbortController().signal);
    return ranked.sources;
  };

  it('wants as many candidates as it is to choose, or more, and no more than retrieval gives', () => {
    for (const topK of [1, 8, 50, 100]) expect(rerankerOf().candidates(topK)).to.be.within(topK, 100);
  });

  it('gives the sources as they are, each once', async () => {
    const ranked = await rerank(shuffled, 3);
    const byId = (sources: readonly AnswerSource[]) => [...sources].sort((a, b) => a.chunkId.localeCompare(b.chunkId));
    expect(byId(ranked)).to.deep.equal(byId(shuffled));
  });

  it('gives no more than it is to choose', async () => {
    expect(await rerank(shuffled, 2)).to.have.length(2);
    expect(await rerank(shuffled, 8)).to.have.length(3);
  });

  it('has nothing to do with none or one', async () => {
    expect(await rerank([], 8)).to.deep.equal([]);
    expect(await rerank(shuffled.slice(0, 1), 8)).to.deep.equal(shuffled.slice(0, 1));
  });

  it('keeps a source without words', async () => {
    const empty = sourceOf({ number: 9, chunkId: 'z', title: '', text: ' ' });
    expect((await rerank([empty, ...shuffled], 8)).map(({ chunkId }) => chunkId)).to.contain('z');
  });
}

/** For those that look at the words. */
export function findsTheBest(rerankerOf: () => Reranker): void {
  it('puts the source that answers before the others', async () => {
    const { sources } = await rerankerOf().rerank(question, shuffled, 3, new AbortController().signal);
    expect(sources[0]?.chunkId).to.equal('c');
  });
  it('does nothing for a caller who has left', async () => {
    const refused = await rerankerOf()
      .rerank(question, shuffled, 3, AbortSignal.abort(new AppError('DEADLINE_EXCEEDED')))
      .catch((error: unknown) => AppError.from(error).reason);
    expect(refused).to.equal('DEADLINE_EXCEEDED');
  });
}
