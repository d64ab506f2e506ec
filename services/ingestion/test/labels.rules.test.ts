import { AppError } from '@wardstone/rpc';
import { expect } from 'chai';
import { labelsOf, readLabels, writeLabels } from '../src/domain/labels.ts';

describe('labels and metadata', () => {
  const faultsOf = (labels: string[], metadata: Record<string, string> = {}): string[] => {
    try {
      labelsOf({ labels, metadata });
      return [];
    } catch (error) {
      const { reason, violations } = AppError.from(error);
      expect(reason).to.equal('INVALID_ARGUMENT');
      return violations.map(({ field, description }) => `${field} ${description}`);
    }
  };

  it('are kept composed, without blanks around them, each label once, metadata by name', () => {
    const given = { labels: [' Cafe\u0301 ', 'a', 'Café', 'A'], metadata: { ward: ' 4 West', bed: '2' } };
    const kept = labelsOf(given);
    expect(kept).to.deep.equal({ labels: ['Café', 'a', 'A'], metadata: { bed: '2', ward: '4 West' } });
    expect(Object.keys(kept.metadata)).to.deep.equal(['bed', 'ward']);
    expect(readLabels(writeLabels(kept))).to.deep.equal(kept);
  });

  it('have bounds', () => {
    const many = Array.from({ length: 21 }, (_, index) => `n${String(index)}`);
    expect(faultsOf(many.slice(1), Object.fromEntries(many.slice(1).map((name) => [name, 'x'])))).to.deep.equal([]);
    expect(faultsOf(many)).to.deep.equal(['labels has more than 20 entries']);
    expect(faultsOf([], Object.fromEntries(many.map((name) => [name, 'x'])))).to.deep.equal([
      'metadata has more than 20 entries',
    ]);
    expect(faultsOf(['x'.repeat(100)], { a: 'x'.repeat(200) })).to.deep.equal([]);
    expect(faultsOf(['x'.repeat(101)], { a: 'x'.repeat(201) })).to.deep.equal([
      'labels[0] is longer than 100 characters',
      'metadata.a is longer than 200 characters',
    ]);
    // Composed, some characters become three.
    expect(faultsOf(['\ufb2c'.repeat(34)])).to.deep.equal(['labels[0] is longer than 100 characters']);
  });

  it('are refused when nothing is left of them, or when they hold controls', () => {
    expect(faultsOf(['a', ' \t'], { a: '\u00a0' })).to.deep.equal(['labels[1] is empty', 'metadata.a is empty']);
    for (const text of ['a\0b', 'a\nb', 'a\u001b[2J', 'a\u0085b', 'a\u2028b']) {
      expect(faultsOf([text], { a: text })).to.deep.equal([
        'labels[0] holds a control character',
        'metadata.a holds a control character',
      ]);
    }
  });

  it('have names of one form, and a refusal does not repeat one of another', () => {
    for (const name of ['', 'Ward', '4west', 'x-y', 'a'.repeat(65), 'Jane Doe', 'é']) {
      expect(faultsOf([], { [name]: 'x' })).to.deep.equal([
        'metadata[0] has a name that is not ^[a-z][a-z0-9_]{0,63}$',
      ]);
    }
    expect(labelsOf({ labels: [], metadata: { constructor: 'x' } }).metadata).to.deep.equal({ constructor: 'x' });
  });
});
