import { expect } from 'chai';
import { createBm25Scorer, type ScoredChunk } from '../src/domain/bm25.ts';
import { newGroup, type PostingGroup } from '../src/domain/postings.ts';
import { running } from './support/harness.ts';
import { seededRandom } from './support/plain-bm25.ts';

const parts = 3_000;
const chunksPerPart = 7;

/** One word in chunks of one length: the score follows from how often it stands in each. */
function groupOf(frequencies: readonly number[]): PostingGroup {
  const group = newGroup();
  for (const [at, frequency] of frequencies.entries()) {
    [group.ordinals[at], group.frequencies[at], group.lengths[at]] = [at, frequency, 100];
  }
  group.count = frequencies.length;
  return group;
}

describe('BM25: chunks that tie', () => {
  const random = seededRandom(17);
  /** Parts come in no order, as segments are read; nearly all chunks say the word once. */
  const docNos = Array.from({ length: parts }, (_, docNo) => docNo)
    .map((docNo) => ({ docNo, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ docNo }) => docNo);
  const frequenciesOf = new Map(
    docNos.map((docNo) => [docNo, Array.from({ length: chunksPerPart }, () => (random() < 0.002 ? 2 : 1))]),
  );
  const isEven = (docNo: number): boolean => docNo % 2 === 0;

  const scored = async () => {
    const scorer = createBm25Scorer([1], new Set());
    for (const docNo of docNos) scorer.add(0, docNo, groupOf(frequenciesOf.get(docNo) ?? []));
    const chunkCount = parts * chunksPerPart;
    return scorer.finish({ chunkCount, sumLength: chunkCount * 100 }, running.signal);
  };

  /** Every chunk, best first, then by part and position. */
  const inOrder = (isAllowed: (docNo: number) => boolean) =>
    docNos
      .filter(isAllowed)
      .flatMap((docNo) => (frequenciesOf.get(docNo) ?? []).map((frequency, ordinal) => ({ docNo, ordinal, frequency })))
      .sort((a, b) => b.frequency - a.frequency || a.docNo - b.docNo || a.ordinal - b.ordinal);

  const placesOf = (chunks: readonly Pick<ScoredChunk, 'docNo' | 'ordinal'>[]) =>
    chunks.map(({ docNo, ordinal }) => `${String(docNo)}/${String(ordinal)}`);

  for (const [what, isAllowed] of [
    ['all', () => true],
    ['those allowed', isEven],
  ] as const) {
    for (const [limit, maxTies] of [
      [100, 500],
      [1, 0],
      [30, 5],
      [1_000, 10],
    ] as const) {
      it(`are the first of ${what} by part and position, however many there are (${String(limit)} and ${String(maxTies)})`, async () => {
        const best = (await scored()).best(limit, maxTies, isAllowed);
        const expected = inOrder(isAllowed);
        const [above, threshold] = [expected.filter(({ frequency }) => frequency > 1), expected[limit - 1]?.frequency];
        const length = threshold === 1 ? limit + maxTies : Math.min(above.length, limit + maxTies);
        expect(best).to.have.length(length);
        expect(placesOf(best)).to.deep.equal(placesOf(expected.slice(0, length)));
      });
    }
  }
});
