import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { createVectorTransform } from '../src/index.ts';
import vectors from './vectors/vector-transform.json' with { type: 'json' };

const dimensions = 1024;
const key = createHash('sha256').update('vectors key').digest();

/** Vectors of unit length that are the same in every run. */
function unitVector(seed: number, size = dimensions): Float32Array {
  let state = seed * 2_654_435_761 + 1;
  const raw = Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  const length = Math.sqrt(dot(raw, raw));
  return raw.map((value) => value / length);
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
}

describe('createVectorTransform', () => {
  for (const { name, keyHex, input, output } of vectors) {
    it(`gives the committed vector: ${name}`, () => {
      const transform = createVectorTransform(Buffer.from(keyHex, 'hex'), input.length);
      const found = transform.apply(Float32Array.from(input));
      expect(found.length).to.equal(output.length);
      for (const [at, value] of output.entries()) expect(found[at]).to.be.closeTo(value, 1e-6);
    });
  }

  it('keeps inner products and lengths to float error', () => {
    const transform = createVectorTransform(key, dimensions);
    for (let seed = 1; seed <= 50; seed += 1) {
      const [a, b] = [unitVector(seed), unitVector(seed + 1000)];
      const [ta, tb] = [transform.apply(a), transform.apply(b)];
      expect(dot(ta, tb)).to.be.closeTo(dot(a, b), 1e-5);
      expect(dot(ta, ta)).to.be.closeTo(1, 1e-5);
    }
  });

  it('ranks 10,000 vectors as they were ranked before', () => {
    const transform = createVectorTransform(key, 64);
    const all = Array.from({ length: 10_000 }, (_, at) => unitVector(at + 1, 64));
    const transformed = all.map((vector) => transform.apply(vector));
    const rank = (query: Float32Array, among: readonly Float32Array[]): number[] =>
      among
        .map((vector, at) => ({ at, score: dot(query, vector) }))
        .sort((a, b) => b.score - a.score || a.at - b.at)
        .slice(0, 20)
        .map(({ at }) => at);
    for (let seed = 20_001; seed <= 20_010; seed += 1) {
      const query = unitVector(seed, 64);
      expect(rank(transform.apply(query), transformed)).to.deep.equal(rank(query, all));
    }
  });

  it('inverts', () => {
    const transform = createVectorTransform(key, dimensions);
    const vector = unitVector(7);
    const back = transform.invert(transform.apply(vector));
    for (const [at, value] of vector.entries()) expect(back[at]).to.be.closeTo(value, 1e-5);
  });

  it('moves every component: a single one spreads over all, differently under each key', () => {
    const single = new Float32Array(dimensions);
    single[3] = 1;
    const spread = createVectorTransform(key, dimensions).apply(single);
    expect(Math.max(...spread.map(Math.abs))).to.be.below(0.25);
    const other = createVectorTransform(randomBytes(32), dimensions).apply(single);
    expect(Math.abs(dot(spread, other))).to.be.below(0.25);
  });

  it('leaves what it is given as it was, and refuses other lengths and keys', () => {
    const transform = createVectorTransform(key, 8);
    const vector = unitVector(1, 8);
    const before = [...vector];
    transform.apply(vector);
    transform.invert(vector);
    expect([...vector]).to.deep.equal(before);
    const wrong = [
      () => transform.apply(unitVector(1, 16)),
      () => transform.invert(unitVector(1, 16)),
      () => createVectorTransform(key.subarray(1), 8),
      () => createVectorTransform(key, 1000),
      () => createVectorTransform(key, 4),
    ];
    for (const attempt of wrong) expect(attempt).to.throw(AppError);
  });
});
