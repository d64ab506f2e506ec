import { readFileSync } from 'node:fs';
import { AppError } from '@wardstone/rpc';
import { expect } from 'chai';
import { createBlindTerms } from '../src/index.ts';

interface Vector {
  readonly key: string;
  readonly kind: string;
  readonly value: string;
  readonly term: string;
}

const vectors = JSON.parse(readFileSync(new URL('vectors/blind-terms.json', import.meta.url), 'utf8')) as Vector[];
const key = Uint8Array.from({ length: 32 }, (_, at) => at);

describe('blind terms', () => {
  for (const { key: hex, kind, value, term } of vectors) {
    it(`gives the known answer for ${kind} "${value}" under ${hex.slice(0, 8)}…`, () => {
      expect(createBlindTerms(Buffer.from(hex, 'hex')).term(kind, value)).to.equal(BigInt(term));
    });
  }

  it('keeps kinds, keys and values apart', () => {
    const other = Uint8Array.from(key, (byte) => byte ^ 1);
    const terms = [createBlindTerms(key), createBlindTerms(other)].flatMap((blind) =>
      ['word', 'label', 'meta:a'].flatMap((kind) => ['a', 'b', 'a:a'].map((value) => blind.term(kind, value))),
    );
    expect(new Set(terms).size).to.equal(terms.length);
  });

  it('stands after its key was wiped', () => {
    const copy = Uint8Array.from(key);
    const blind = createBlindTerms(copy);
    const before = blind.term('word', 'metformin');
    copy.fill(0);
    expect(blind.term('word', 'metformin')).to.equal(before);
  });

  for (const bad of ['', 'Word', 'a b', 'a\0b', '1a', `a${'b'.repeat(100)}`]) {
    it(`refuses ${JSON.stringify(bad.slice(0, 8))} as a kind`, () => {
      expect(() => createBlindTerms(key).term(bad, 'x')).to.throw(AppError);
    });
  }

  it('refuses a key of another length', () => {
    for (const length of [0, 16, 31, 33]) expect(() => createBlindTerms(new Uint8Array(length))).to.throw(AppError);
  });
});
