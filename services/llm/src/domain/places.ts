import type { PageBreak } from '../ports.ts';

/** Where a quote stands in its document. Pages from 1; characters in UTF-16 code units of the document's text. */
export interface Place {
  readonly pageStart: number;
  readonly pageEnd: number;
  readonly charStart: number;
  readonly charEnd: number;
}

/** Place of `chunk.text.slice(start, end)` in the chunk's document. */
export function placeOf(
  chunk: { readonly charStart: number; readonly pageBreaks: readonly PageBreak[] },
  start: number,
  end: number,
): Place {
  return {
    pageStart: pageAt(chunk.pageBreaks, start),
    pageEnd: pageAt(chunk.pageBreaks, Math.max(start, end - 1)),
    charStart: chunk.charStart + start,
    charEnd: chunk.charStart + end,
  };
}

/** Page on which the character at an offset of the chunk stands. */
function pageAt(breaks: readonly PageBreak[], offset: number): number {
  const before = breaks.filter(({ chunkOffset }) => chunkOffset <= offset);
  return (before.at(-1) ?? breaks[0])?.page ?? 1;
}
