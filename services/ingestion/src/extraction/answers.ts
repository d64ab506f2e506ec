/** The process is not trusted: what it writes is checked like any input, and is held against what it announced. */
import { chunkLineSchema } from '@wardstone/queue';
import type { ChunkLine } from '@wardstone/queue';
import { z } from 'zod';
import { maxChunkSizeChars, maxRepetition } from '../domain/chunking.ts';
import { refusals } from '../domain/refusal.ts';
import type { ExtractionMessage } from './protocol.ts';

const count = z.int().min(0);
const positive = z.int().min(1);

const messageSchema = z.union([
  chunkLineSchema,
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('ready') }),
    z.strictObject({ kind: z.literal('opened'), pages: positive }),
    z.strictObject({ kind: z.literal('page'), page: positive }),
    z.strictObject({ kind: z.literal('text'), pages: positive, chars: positive, chunks: count }),
    z.strictObject({ kind: z.literal('done') }),
    z.strictObject({ kind: z.literal('failed'), refusal: z.enum(refusals) }),
  ]),
]);

/** A line of the process; undefined when it is none of the protocol's. */
export function parseMessage(line: string): ExtractionMessage | undefined {
  try {
    return messageSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

export interface AnswerLimits {
  readonly maxPages: number;
  readonly maxChars: number;
}

export type TextMessage = Extract<ExtractionMessage, { kind: 'text' }>;

/** One document's messages, in their order. Each method says whether the message may follow those before it. */
export class Answers {
  readonly #limits: AnswerLimits;
  #pages = 0;
  #page = 0;

  constructor(limits: AnswerLimits) {
    this.#limits = limits;
  }

  opened(pages: number): boolean {
    if (this.#pages > 0 || pages > this.#limits.maxPages) return false;
    this.#pages = pages;
    return true;
  }

  page(page: number): boolean {
    if (page <= this.#page || page > this.#pages) return false;
    this.#page = page;
    return true;
  }

  text({ pages, chars, chunks }: TextMessage): boolean {
    return pages <= this.#limits.maxPages && chars <= this.#limits.maxChars && chunks <= chars;
  }
}

/** The chunks of one text: as many as announced, each further on than the one before, all of them within the bounds. */
export class ChunkSequence {
  readonly #text: TextMessage;
  #taken = 0;
  #end = 0;
  #chars = 0;

  constructor(text: TextMessage) {
    this.#text = text;
  }

  accepts(chunk: ChunkLine): boolean {
    const { chars, chunks, pages } = this.#text;
    this.#chars += chunk.text.length;
    const follows =
      chunk.ordinal === this.#taken && this.#taken < chunks && chunk.charEnd > this.#end && chunk.charEnd <= chars;
    const isItself =
      chunk.text.length === chunk.charEnd - chunk.charStart &&
      chunk.pageEnd <= pages &&
      chunk.pageBreaks.length <= chunk.pageEnd - chunk.pageStart + 1;
    const isBounded =
      chunk.text.length <= maxChunkSizeChars && this.#chars <= maxRepetition * chars + maxChunkSizeChars;
    this.#taken += 1;
    this.#end = chunk.charEnd;
    return follows && isItself && isBounded;
  }

  get complete(): boolean {
    return this.#taken === this.#text.chunks;
  }
}
