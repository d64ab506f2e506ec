import { AppError } from '@wardstone/rpc';
import { expect } from 'chai';
import { demandedEtag, entityTag, isFresh } from '../src/http/entity-tag.ts';

describe('entity tags', () => {
  it('demand what a single strong tag names, and nothing for * or no header', () => {
    expect(demandedEtag('"abc"')).to.equal('abc');
    expect(demandedEtag(' "a-b_c=" ')).to.equal('a-b_c=');
    expect(demandedEtag('*')).to.equal(undefined);
    expect(demandedEtag(undefined)).to.equal(undefined);
  });

  it('refuse what is no single tag, and never match a weak one', () => {
    for (const value of ['abc', '"a", "b"', '""', '"a b"', `"${'x'.repeat(129)}"`, '"a']) {
      expect(
        reasonOf(() => demandedEtag(value)),
        value,
      ).to.equal('INVALID_ARGUMENT');
    }
    expect(demandedEtag(`"${'x'.repeat(128)}"`)).to.have.length(128);
    expect(reasonOf(() => demandedEtag('W/"abc"'))).to.equal('DOCUMENT_CHANGED');
  });

  it('tell a fresh copy from a stale one, weakly', () => {
    expect(entityTag('v1')).to.equal('"v1"');
    for (const value of ['"v1"', 'W/"v1"', '"v0", "v1"', '*']) expect(isFresh(value, 'v1'), value).to.equal(true);
    for (const value of [undefined, '', '"v2"', 'v1']) expect(isFresh(value, 'v1')).to.equal(false);
  });
});

function reasonOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return error instanceof AppError ? error.reason : String(error);
  }
  return undefined;
}
