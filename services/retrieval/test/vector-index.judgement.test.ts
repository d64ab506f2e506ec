import { expect } from 'chai';
import {
  gapsBetween,
  judge,
  listsFor,
  maxShareRead,
  questionsOf,
  trainingStep,
  vectorsPerStep,
} from '../src/domain/vector-index.ts';
import { vectorSteps } from '../src/domain/vector-steps.ts';
import { seededVector } from './support/harness.ts';
import { seededRandom } from './support/plain-bm25.ts';

describe('index of vectors: its measures', () => {
  it('has lists that grow as the root, with 32 vectors each at least, and 2,048 at most', () => {
    expect([31, 32, 400, 130_000, 200_000, 10_000_000].map(listsFor)).to.deep.equal([1, 1, 12, 721, 894, 2_048]);
  });

  it('trains on 60 vectors a list, in steps that compare about two million times', () => {
    for (const lists of [1, 12, 721, 2_048]) {
      let [trained, steps] = [0, 0];
      for (let step = trainingStep(lists, 0); step > 0; step = trainingStep(lists, trained)) {
        expect(step).to.be.at.most(Math.min(lists * 10, vectorsPerStep(lists)));
        trained += step;
        steps += 1;
      }
      expect(trained).to.be.at.least(60 * lists);
      expect(steps).to.be.lessThan(200);
    }
    expect(vectorsPerStep(2_048) * 2_048).to.be.closeTo(2_000_000, 2_048);
  });

  it('takes the steps by what is asked, and the exact one no further than the last', () => {
    expect(vectorSteps(130_000)).to.deep.equal({ exactMaxChunks: 24_000, bitsMaxChunks: 130_000 });
    expect(vectorSteps(400)).to.deep.equal({ exactMaxChunks: 400, bitsMaxChunks: 400 });
  });

  it('reads as far as 99 of 100 neighbours need, in shares of the best similarity', () => {
    const lists = [
      { listNo: '1', distance: 0.2, sampled: 10 },
      { listNo: '2', distance: 0.4, sampled: 10 },
      { listNo: '3', distance: 0.9, sampled: 80 },
    ];
    const near = { lists, nearest: Array.from({ length: 99 }, (_, at) => (at < 90 ? '1' : '2')) };
    const { margin, shareRead, isUseful } = judge([{ lists, nearest: [...near.nearest, '3'] }]);
    expect(margin).to.be.closeTo(0.25, 1e-9);
    expect(shareRead).to.be.closeTo(0.2, 1e-9);
    expect(isUseful).to.equal(true);
    const farther = judge([{ lists, nearest: [...near.nearest.slice(2), '3', '3'] }]);
    expect(farther.margin).to.be.closeTo(0.875, 1e-9);
    expect([farther.shareRead, farther.isUseful]).to.deep.equal([1, false]);
    expect(judge([]).isUseful).to.equal(false);
    expect(judge([{ lists, nearest: ['4'] }]).isUseful).to.equal(false);
    expect(maxShareRead).to.be.lessThan(0.5);
  });

  it('asks questions that are near and far', () => {
    const vectors = [1, 2, 3].map(seededVector);
    const cosines = questionsOf(vectors, seededRandom(1)).map((question, at) =>
      question.reduce((sum, value, place) => sum + value * (vectors[at]?.[place] ?? 0), 0),
    );
    for (const [at, expected] of [1, 1 / Math.SQRT2, 1 / Math.sqrt(5)].entries()) {
      expect(cosines[at]).to.be.closeTo(expected, 0.06);
    }
  });

  it('leaves no list number out between ranges', () => {
    const end = 2n ** 63n - 1n;
    expect(gapsBetween([])).to.deep.equal([{ first: 1n, last: end }]);
    const ranges = [
      { first: 21n, last: 30n },
      { first: 1n, last: 9n },
      { first: 10n, last: 12n },
    ];
    expect(gapsBetween(ranges)).to.deep.equal([
      { first: 13n, last: 20n },
      { first: 31n, last: end },
    ]);
  });
});
