import { expect } from 'chai';
import { isFinal, pendingStates, pipelinePercent, statesUpTo } from '../src/domain/document.ts';

describe('document states', () => {
  it('raise the percent with every step forward', () => {
    const steps = (['EXTRACTING', 'EMBEDDING', 'INDEXING'] as const).flatMap((state) =>
      [0, 50, 100].map((percent) => pipelinePercent(state, percent)),
    );
    expect(steps).to.deep.equal([...steps].sort((a, b) => a - b));
    expect(new Set(steps).size).to.equal(steps.length);
    expect(steps[0]).to.be.greaterThan(0);
    expect(steps.at(-1)).to.be.lessThan(100);
  });

  it('hold a report to its stage, whatever number it gives', () => {
    expect(pipelinePercent('EMBEDDING', -5)).to.equal(pipelinePercent('EMBEDDING', 0));
    expect(pipelinePercent('EMBEDDING', 900)).to.equal(pipelinePercent('EMBEDDING', 100));
  });

  it('are left forwards only', () => {
    expect(statesUpTo('EMBEDDING')).to.deep.equal(['RECEIVED', 'EXTRACTING', 'EMBEDDING']);
    expect(pendingStates.some(isFinal)).to.equal(false);
  });
});
