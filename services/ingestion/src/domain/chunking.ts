/**
 * Cuts a document's text into overlapping chunks, each knowing its pages and its place in the text. Runs in the extraction
 * process.
 */
import { RecursiveCharacterTextSplitter } from '@langchain/textsplitters';
import type { DocumentText, PageSpan } from './document-text.ts';

/** Sizes in UTF-16 code units. */
export interface ChunkSizes {
  readonly chunkSizeChars: number;
  readonly chunkOverlapChars: number;
}

/** `text === document.text.slice(charStart, charEnd)`. */
export interface Chunk {
  readonly ordinal: number;
  readonly text: string;
  readonly pageStart: number;
  readonly pageEnd: number;
  readonly charStart: number;
  readonly charEnd: number;
  /** Where each page begins within the chunk; the first entry has offset 0. */
  readonly pageBreaks: readonly { readonly page: number; readonly chunkOffset: number }[];
}

/** Below this a chunk says nothing by itself, and a document makes too many of them. */
const minChunkSizeChars = 100;
export const maxChunkSizeChars = 8000;

/**
 * The chunks of a text together are never longer than so many times the text. What two neighbours share is at most half of
 * a chunk, and at most what the piece that did not fit leaves free; so of two that follow each other, one brings at least
 * half a chunk of new text, and they repeat at most one chunk: three times the text.
 */
export const maxRepetition = 3;

/** Paragraphs, lines, sentences, words; inside words only where a word is longer than a chunk. */
const separators = ['\n\n', '\n', '. ', '? ', '! ', '。', '; ', ' ', ''];

/** Longest piece that a word without blanks (or a text without them, as in Chinese) is first cut into. */
const cellChars = 16;

/** What a tenant asked for, brought into the bounds; the overlap is at most half of a chunk. */
export function boundedSizes(sizes: ChunkSizes): ChunkSizes {
  const chunkSizeChars = Math.min(Math.max(sizes.chunkSizeChars, minChunkSizeChars), maxChunkSizeChars);
  const chunkOverlapChars = Math.min(Math.max(sizes.chunkOverlapChars, 0), Math.floor(chunkSizeChars / 2));
  return { chunkSizeChars, chunkOverlapChars };
}

/** A document's chunks, which are made as they are taken. */
export interface DocumentChunks {
  readonly count: number;
  readonly chunks: Iterable<Chunk>;
}

/** Chunks in order, without gaps in their ordinals. Time is linear in the text. The same text and sizes give the same chunks. */
export async function chunkDocument(document: DocumentText, sizes: ChunkSizes): Promise<DocumentChunks> {
  const { chunkSizeChars, chunkOverlapChars } = boundedSizes(sizes);
  const splitter = new LocatingSplitter(chunkSizeChars, chunkOverlapChars);
  const spans = await splitter.spansOf(document.text);
  return { count: spans.length, chunks: chunksAt(document, spans) };
}

function* chunksAt(document: DocumentText, spans: readonly Span[]): Generator<Chunk> {
  let ordinal = 0;
  let firstPage = 0;
  for (const { start, end } of spans) {
    while ((document.pages[firstPage]?.end ?? Infinity) <= start) firstPage += 1;
    const pages = pagesWithin(document.pages, firstPage, start, end);
    const [first] = pages;
    const last = pages.at(-1);
    // Between pages are blanks alone, and a span has more than blanks.
    if (first === undefined || last === undefined) throw new Error('a chunk stands on no page');
    yield {
      ordinal,
      text: document.text.slice(start, end),
      pageStart: first.page,
      pageEnd: last.page,
      charStart: start,
      charEnd: end,
      pageBreaks: pages.map((page) => ({ page: page.page, chunkOffset: Math.max(0, page.start - start) })),
    };
    ordinal += 1;
  }
}

function pagesWithin(pages: readonly PageSpan[], from: number, start: number, end: number): PageSpan[] {
  const found: PageSpan[] = [];
  for (let index = from; index < pages.length; index += 1) {
    const page = pages[index];
    if (page === undefined || page.start >= end) break;
    if (page.end > start) found.push(page);
  }
  return found;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * LangChain's recursive splitter, told where it is. The library gives chunks as texts, and looking them up afterwards
 * (as its createDocuments does) finds the wrong place where a document repeats itself. Its recursion hands every piece
 * of the text to mergeSplits exactly once and in order, so a running offset there is the place itself.
 */
class LocatingSplitter extends RecursiveCharacterTextSplitter {
  #text = '';
  #offset = 0;
  #spans: Span[] = [];

  constructor(chunkSize: number, chunkOverlap: number) {
    super({ chunkSize, chunkOverlap, separators, keepSeparator: true });
  }

  async spansOf(text: string): Promise<readonly Span[]> {
    this.#text = text;
    this.#offset = 0;
    this.#spans = [];
    await this.splitText(text);
    return this.#spans;
  }

  /** Separators stay at the end of what they close: a sentence keeps its full stop. */
  protected override splitOnSeparator(text: string, separator: string): string[] {
    if (separator === '') return cells(text);
    const pieces: string[] = [];
    let start = 0;
    for (let at = text.indexOf(separator); at >= 0; at = text.indexOf(separator, start)) {
      pieces.push(text.slice(start, at + separator.length));
      start = at + separator.length;
    }
    if (start < text.length) pieces.push(text.slice(start));
    return pieces;
  }

  /** Adjacent pieces into spans of at most the chunk's size, each beginning within the end of the one before. */
  override mergeSplits(splits: string[]): Promise<string[]> {
    const starts: number[] = [];
    let begin = this.#offset;
    let end = begin;
    for (const piece of splits) {
      if (end > begin && end + piece.length - begin > this.chunkSize) {
        this.#add(begin, end);
        begin = this.#overlapStart(starts, Math.max(begin + 1, end + piece.length - this.chunkSize), end);
        starts.length = 0;
      }
      starts.push(end);
      end += piece.length;
    }
    this.#add(begin, end);
    this.#offset = end;
    return Promise.resolve([]);
  }

  /**
   * Where the next span begins: not before `earliest`, sharing at most the overlap with the one that ends at `end`. With a
   * whole sentence or line if one is of a fitting length, else with whole words.
   */
  #overlapStart(starts: readonly number[], earliest: number, end: number): number {
    const from = Math.max(earliest, end - this.chunkOverlap);
    const piece = starts.find((start) => start >= from);
    if (piece !== undefined && end - piece >= this.chunkOverlap / 3) return piece;
    for (let at = from; at < end; at += 1) {
      if (isBlank(this.#text.charCodeAt(at - 1)) && !isBlank(this.#text.charCodeAt(at))) return at;
    }
    return piece ?? end;
  }

  #add(from: number, to: number): void {
    let start = from;
    let end = to;
    while (start < end && isBlank(this.#text.charCodeAt(start))) start += 1;
    while (end > start && isBlank(this.#text.charCodeAt(end - 1))) end -= 1;
    // A span that lies within the one before says nothing new.
    if (end > start && end > (this.#spans.at(-1)?.end ?? -1)) this.#spans.push({ start, end });
  }
}

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0xa0 || code === 0x3000;
}

/** Short pieces that end neither within a surrogate pair nor before a mark, a joiner or a variation selector. */
function cells(text: string): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + cellChars, text.length);
    // A run of marks without end is not a character; then only the pair is kept whole.
    const limit = Math.min(start + 3 * cellChars, text.length);
    while (end < limit && continues(text, end)) end += 1;
    if (end < text.length && isLowSurrogate(text.charCodeAt(end))) end += 1;
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}

function continues(text: string, at: number): boolean {
  const code = text.codePointAt(at) ?? 0;
  if (code < 0x300) return false;
  if (isLowSurrogate(text.charCodeAt(at)) || code === 0x200d || text.charCodeAt(at - 1) === 0x200d) return true;
  return /^[\p{M}\p{Emoji_Modifier}\u{e0020}-\u{e007f}]/u.test(String.fromCodePoint(code));
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
