import { expect } from 'chai';
import { splitText } from '../src/domain/split-text.ts';
import { estimateTokens, fitsTokens } from '../src/domain/tokens.ts';
import { meanDirection, normalise, padTo } from '../src/domain/unit-vector.ts';

const sentence = 'Metformin 500 mg was started twice daily for type 2 diabetes. ';
const bounds = { maxTokens: 200, maxChars: 600 };

describe('tokens: an upper estimate', () => {
  it('counts words by half their letters, signs one each, and blanks between words not at all', () => {
    expect(estimateTokens('')).to.equal(0);
    expect(estimateTokens('pain in')).to.equal(3);
    expect(estimateTokens('6.9 %')).to.equal(4);
    expect(estimateTokens('a  b\n')).to.equal(4);
  });

  it('counts other characters by their bytes', () => {
    expect(estimateTokens('é')).to.equal(2);
    expect(estimateTokens('高血圧')).to.equal(9);
    expect(estimateTokens('\u{1F600}')).to.equal(4);
  });

  it('never exceeds the bytes, which suffice for short texts', () => {
    for (const text of [sentence, '高血圧', 'x'.repeat(999), '   ', '\t\n']) {
      expect(estimateTokens(text)).to.be.at.most(Buffer.byteLength(text));
    }
    expect(fitsTokens('x'.repeat(20), 10)).to.equal(true);
    expect(fitsTokens('x'.repeat(21), 10)).to.equal(false);
  });
});

describe('splitting: bounds', () => {
  for (const [what, text] of [
    ['sentences', sentence.repeat(50)],
    ['one sentence of many words', 'metformin and insulin '.repeat(100)],
    ['one word', 'x'.repeat(5_000)],
    ['a script without blanks', '高血圧の治療'.repeat(200)],
    ['emoji of several code points', '👩‍⚕️'.repeat(300)],
    ['blanks', `${' '.repeat(3_000)}end`],
    ['line breaks', 'line\r\n'.repeat(500)],
  ] as const) {
    it(`keeps every part of ${what} within them, and loses nothing but blanks`, () => {
      const parts = splitText(text, bounds);
      for (const part of parts) {
        expect(estimateTokens(part)).to.be.at.most(bounds.maxTokens);
        expect(part.length).to.be.at.most(bounds.maxChars);
        expect(part.trim()).not.to.equal('');
      }
      expect(parts.join('').replaceAll(/\s/gu, '')).to.equal(text.replaceAll(/\s/gu, ''));
    });
  }

  it('leaves a text that fits as it is, to the very bound', () => {
    expect(splitText('x'.repeat(400), bounds)).to.deep.equal(['x'.repeat(400)]);
    expect(splitText('x'.repeat(401), bounds)).to.have.length(3);
    expect(splitText('x'.repeat(600), { ...bounds, maxTokens: 10_000 })).to.have.length(1);
    expect(splitText('x'.repeat(601), { ...bounds, maxTokens: 10_000 })).to.have.length(2);
  });

  it('leaves one part of a text of blanks alone', () => {
    expect(splitText(' '.repeat(1_000), bounds)).to.deep.equal([' '.repeat(200)]);
  });

  it('cuts between sentences where it can', () => {
    const parts = splitText(sentence.repeat(20), bounds);
    expect(parts.length).to.be.greaterThan(1);
    for (const part of parts) expect(part.trimEnd().endsWith('diabetes.')).to.equal(true);
  });

  it('cuts between words where a sentence is too long', () => {
    for (const part of splitText('metformin and insulin '.repeat(100), bounds)) {
      expect(part).to.match(/^ ?(metformin|and|insulin)\b/);
    }
  });
});

describe('unit vectors', () => {
  it('of parts are their weighted mean at unit length', () => {
    const [x, y] = [Float32Array.of(1, 0), Float32Array.of(0, 1)];
    const mean = meanDirection([
      { vector: x, weight: 3 },
      { vector: y, weight: 4 },
    ]);
    expect([...mean].map((value) => Number(value.toFixed(6)))).to.deep.equal([0.6, 0.8]);
    expect(meanDirection([{ vector: x, weight: 1 }])).to.equal(x);
  });

  it('of parts that cancel each other out are the heaviest', () => {
    const [there, back] = [Float32Array.of(1, 0), Float32Array.of(-1, 0)];
    const weight = 1;
    expect(
      meanDirection([
        { vector: there, weight },
        { vector: back, weight },
      ]),
    ).to.equal(there);
  });

  it('are none for what has no direction', () => {
    expect(normalise(Float32Array.of(0, 0))).to.equal(undefined);
    expect(normalise(Float32Array.of(Number.NaN, 1))).to.equal(undefined);
    expect([...(normalise(Float32Array.of(3, 4)) ?? [])].map((value) => value.toFixed(3))).to.deep.equal([
      '0.600',
      '0.800',
    ]);
  });

  it('keep their cosine when they are filled up with zeros', () => {
    const padded = padTo(Float32Array.of(0.6, 0.8), 4);
    expect([...padded].map((value) => value.toFixed(1))).to.deep.equal(['0.6', '0.8', '0.0', '0.0']);
    expect(padTo(padded, 4)).to.equal(padded);
  });
});
