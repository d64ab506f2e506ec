import { expect } from 'chai';
import { createLexicalEmbedder, embedText } from '../src/domain/lexical-embedder.ts';
import { embeddingModelContract } from './support/embedding-model.contract.ts';
import { stemOf, wordsOf } from '../src/domain/words.ts';

const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);

describe('lexical embedder: contract', () => {
  embeddingModelContract(createLexicalEmbedder);
});

describe('lexical embedder: vectors', () => {
  it('keep the exact values that stored vectors were made with', () => {
    // A change here needs a new model id: vectors in the index would no longer fit the queries.
    const vector = embedText('metformin for type 2 diabetes', 'passage');
    const largest = [...vector.entries()].sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 4);
    expect(largest.map(([index, value]) => [index, Number(value.toFixed(4))])).to.deep.equal([
      [299, -0.1714],
      [400, -0.1714],
      [603, -0.1714],
      [622, 0.1714],
    ]);
  });

  it('let rare words weigh more than common ones', () => {
    const passage = embedText('The patient was seen for pheochromocytoma.', 'passage');
    const rare = cosine(embedText('pheochromocytoma', 'query'), passage);
    const common = cosine(embedText('patient was seen for', 'query'), passage);
    expect(rare).to.be.greaterThan(common);
  });

  it('find an inflected word', () => {
    const passage = embedText('Two fractures were treated.', 'passage');
    expect(cosine(embedText('fracture treatment', 'query'), passage)).to.be.greaterThan(0.4);
  });
});

describe('words', () => {
  it('are normalised, lower-cased runs of letters and numbers', () => {
    expect(wordsOf('ＨｂＡ１ｃ: 6.9 %, β-blocker')).to.deep.equal(['hba1c', '6', '9', 'β', 'blocker']);
  });

  it('of scripts without blanks are pairs of characters', () => {
    expect(wordsOf('高血圧')).to.deep.equal(['高血', '血圧']);
    expect(wordsOf('癌')).to.deep.equal(['癌']);
  });

  it('are bounded in length', () => {
    expect(wordsOf('a'.repeat(1000))).to.deep.equal(['a'.repeat(64)]);
  });

  it('lose English endings only', () => {
    expect([stemOf('fractures'), stemOf('größe'), stemOf('500')]).to.deep.equal(['fractur', 'größe', '500']);
  });
});
