import { expect } from 'chai';
import { leakedWords, wordsOf } from '../src/vocabulary.ts';

describe('leak detection', () => {
  const documents = wordsOf(['The Quillfeather patient takes Amoxaril; the document says so.']);

  it('finds a planted word whatever its case and whatever stands around it', () => {
    expect(leakedWords(['{"x":"eyJ.QUILLFEATHER-9"}'], documents, new Set())).to.deep.equal(['quillfeather']);
  });

  it('leaves out words that the system itself uses', () => {
    expect(leakedWords(['create table document'], documents, wordsOf(['document']))).to.deep.equal([]);
  });

  it('does not find a word inside a longer run of letters', () => {
    expect(leakedWords(['xxAmoxarilxx'], documents, new Set())).to.deep.equal([]);
  });
});
