import { expect } from 'chai';
import { placeOf } from '../src/domain/places.ts';

const chunk = {
  charStart: 1_000,
  pageBreaks: [
    { page: 3, chunkOffset: 0 },
    { page: 4, chunkOffset: 100 },
    { page: 6, chunkOffset: 200 },
  ],
};

describe('places: pages of a quote', () => {
  for (const [start, end, pages] of [
    [0, 10, [3, 3]],
    [90, 100, [3, 3]],
    [90, 101, [3, 4]],
    [100, 101, [4, 4]],
    [199, 201, [4, 6]],
    [0, 400, [3, 6]],
  ] as const) {
    it(`finds ${String(start)} to ${String(end)} on pages ${pages.join(' to ')}`, () => {
      const [pageStart, pageEnd] = pages;
      const place = { pageStart, pageEnd, charStart: 1_000 + start, charEnd: 1_000 + end };
      expect(placeOf(chunk, start, end)).to.deep.equal(place);
    });
  }
});
