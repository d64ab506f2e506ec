/** A document's text with the place of every page in it: the offset map that citations rest on. */
import { Refused } from './refusal.ts';

/** Where a page's text stands in the document's; offsets are UTF-16 code units, `end` is exclusive. */
export interface PageSpan {
  /** From 1. */
  readonly page: number;
  readonly start: number;
  readonly end: number;
}

/** The whole text, and its pages in order. Pages without text have no span. */
export interface DocumentText {
  readonly text: string;
  readonly pages: readonly PageSpan[];
  /** Pages of the document, with or without text. */
  readonly pageCount: number;
}

/** Pages are separated like paragraphs, so that no word of one is glued to the next. */
const pageSeparator = '\n\n';

/** Joins pages as they come. */
export class DocumentTextBuilder {
  readonly #parts: string[] = [];
  readonly #pages: PageSpan[] = [];
  readonly #maxChars: number;
  #length = 0;

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  /** Thrown: Refused TEXT_TOO_LARGE when the text exceeds its limit. */
  addPage(page: number, text: string): void {
    if (text === '') return;
    const separator = this.#parts.length === 0 ? '' : pageSeparator;
    const start = this.#length + separator.length;
    if (start + text.length > this.#maxChars) throw new Refused('TEXT_TOO_LARGE');
    this.#parts.push(separator, text);
    this.#length = start + text.length;
    this.#pages.push({ page, start, end: this.#length });
  }

  /** Thrown: Refused NO_TEXT when no page holds a letter or a digit. */
  finish(pageCount: number): DocumentText {
    const text = this.#parts.join('');
    if (!/[\p{L}\p{N}]/u.test(text)) throw new Refused('NO_TEXT');
    return { text, pages: this.#pages, pageCount };
  }
}
