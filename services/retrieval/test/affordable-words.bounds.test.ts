import { expect } from 'chai';
import { affordableWords } from '../src/domain/affordable-words.ts';

describe('words of a question that are looked up', () => {
  const bytesOf = new Map([
    ['patient', 500],
    ['carditis', 20],
    ['pain', 300],
    ['metformin', 30],
  ]);
  const words = ['patient', 'unheard', 'carditis', 'pain', 'metformin'];
  const within = (maxWords: number, maxBytes: number) => affordableWords(words, bytesOf, { maxWords, maxBytes });

  it('are all that it has, in its order, when they are within the bounds', () => {
    expect(within(4, 850)).to.deep.equal(words);
  });

  it('are without the costliest when all together are too many bytes', () => {
    expect(within(4, 849)).to.deep.equal(['unheard', 'carditis', 'pain', 'metformin']);
    expect(within(4, 350)).to.deep.equal(['unheard', 'carditis', 'pain', 'metformin']);
    expect(within(4, 349)).to.deep.equal(['unheard', 'carditis', 'metformin']);
    expect(within(4, 49)).to.deep.equal(['unheard', 'carditis']);
  });

  it('are none but those that cost nothing when each is too much', () => {
    expect(within(4, 19)).to.deep.equal(['unheard']);
  });

  it('are without the costliest when they are too many', () => {
    expect(within(3, 10_000)).to.deep.equal(['unheard', 'carditis', 'pain', 'metformin']);
    expect(within(1, 10_000)).to.deep.equal(['unheard', 'carditis']);
  });
});
