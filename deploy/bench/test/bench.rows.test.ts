import { expect } from 'chai';
import type { Measured } from '../src/row.ts';
import { besideBm25, besideSameBm25, readConsoleTable } from '../src/rows/quality.ts';
import { alternate, alternateMedians, median, percentile } from '../src/statistics.ts';
import { formatNumber, markdownTable } from '../src/table.ts';

describe('the statistics of the benchmarks', () => {
  it('take the middle, whatever the order', () => {
    expect(median([9, 1, 5])).equal(5);
    expect(median([4, 1, 3, 2])).equal(2.5);
    expect(median([7])).equal(7);
    expect(() => median([])).throw(RangeError);
  });

  it('take the nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentile(hundred, 0.95)).equal(95);
    expect(percentile(hundred, 0)).equal(1);
    expect(percentile(hundred, 1)).equal(100);
    expect(percentile([3], 0.5)).equal(3);
    expect(() => percentile([], 0.5)).throw(RangeError);
    expect(() => percentile([1], 1.5)).throw(RangeError);
  });

  it('alternate the contenders and leave the warm-up out', async () => {
    const order: string[] = [];
    const contender = (name: string, first: number) => {
      let value = first;
      return async () => {
        order.push(name);
        return value++;
      };
    };
    expect(await alternate(3, [contender('a', 0), contender('b', 10)])).deep.equal([
      [1, 2, 3],
      [11, 12, 13],
    ]);
    expect(order.join('')).equal('abababab');
    expect(await alternateMedians(3, [contender('a', 0), contender('b', 10)])).deep.equal([2, 12]);
  });
});

describe('the table of the benchmarks', () => {
  const measured: Measured = { what: 'echo', unit: 'calls/s', better: 'higher', ours: 500, bare: 2000 };

  it('divides by the bare counterpart, and says what is missing', () => {
    const absent: Measured = { what: 'nDCG', unit: '0 to 1', better: 'higher', ours: undefined, note: 'absent | gone' };
    const table = markdownTable([
      { row: 'rpc', measured: { ...measured, bareIs: 'grpc-js', note: 'one process' } },
      { row: 'quality', measured: absent },
    ]).split('\n');
    expect(table).length(4);
    expect(cells(table[2])).deep.equal([
      ...['rpc', 'echo', 'calls/s', '500', '2,000', '0.25×', 'higher', 'grpc-js; one process'],
    ]);
    expect(cells(table[3])).deep.equal(['quality', 'nDCG', '0 to 1', '–', '–', '–', 'higher', 'absent \\', 'gone']);
    expect(new Set(table.map((line) => line.length)).size).equal(1);
  });

  it('shows no ratio to nothing', () => {
    const [, , line] = markdownTable([{ row: 'rpc', measured: { ...measured, bare: 0 } }]).split('\n');
    expect(cells(line)[5]).equal('–');
  });

  it('rounds to what can be read', () => {
    const figures = [0, 0.6642, 12.345, 999.4, 12_345.6, undefined].map(formatNumber);
    expect(figures).deep.equal(['0', '0.664', '12.3', '999', '12,350', '–']);
  });

  function cells(line = ''): string[] {
    return line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  }
});

describe('the row of quality', () => {
  const printed = `
┌─────────┬────────────┬────────────────────────────┬─────────┬───────────┬────────────┐
│ (index) │ collection │ method                     │ nDCG@10 │ recall@10 │ µs/passage │
├─────────┼────────────┼────────────────────────────┼─────────┼───────────┼────────────┤
│ 0       │ 'scifact'  │ 'lexical, 1024 dimensions' │ '0.664' │ '0.783'   │ 3995       │
│ 1       │ 'scifact'  │ 'BM25'                     │ '0.727' │ '0.831'   │ ''         │
└─────────┴────────────┴────────────────────────────┴─────────┴───────────┴────────────┘
`;

  it('reads what the measurement prints, and puts the model beside BM25', () => {
    const results = besideBm25(readConsoleTable(printed)).map(({ what, ours, bare }) => ({ what, ours, bare }));
    expect(results).deep.equal([
      { what: 'scifact, vectors alone: nDCG@10', ours: 0.664, bare: 0.727 },
      { what: 'scifact, vectors alone: recall@10', ours: 0.783, bare: 0.831 },
    ]);
  });

  it('puts a search beside the same figures of BM25', () => {
    const alone = besideBm25(readConsoleTable(printed));
    const results = besideSameBm25('scifact', { ndcg: 0.73, recall: 0.84 }, alone);
    expect(results.map(({ what, ours, bare }) => ({ what, ours, bare }))).deep.equal([
      { what: 'scifact, search: nDCG@10', ours: 0.73, bare: 0.727 },
      { what: 'scifact, search: recall@10', ours: 0.84, bare: 0.831 },
    ]);
    expect(() => besideSameBm25('medquad', { ndcg: 0, recall: 0 }, alone)).throw('no nDCG@10');
  });

  it('does not take a change of the output for a figure', () => {
    expect(() => readConsoleTable('nothing')).throw('no table');
    expect(() => besideBm25(readConsoleTable(printed.replace('recall@10', 'recall@20')))).throw('no recall@10');
    expect(() => besideBm25(readConsoleTable(printed.replace("'BM25'", "'TFIDF'")))).throw('no nDCG@10');
  });
});
