/** Lines from a process's pipe, read only as fast as they are taken: what is not taken stays in the pipe. */
import type { Readable } from 'node:stream';

/** A line, or why there is none. */
export type NextLine = { readonly line: string } | { readonly line?: never; readonly none: 'ended' | 'too-long' };

export class Lines {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: Readable) {
    this.#source = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** The next line, if all of it has been read already. */
  buffered(): string | undefined {
    const end = this.#rest.indexOf(lineFeed);
    if (end < 0) return undefined;
    const line = this.#rest.toString('utf8', 0, end);
    this.#rest = this.#rest.subarray(end + 1);
    return line;
  }

  /** Waits for the next line. What is left when the pipe closes is none. */
  async next(maxBytes: number): Promise<NextLine> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      const end = this.#rest.indexOf(lineFeed);
      const piece = end < 0 ? this.#rest : this.#rest.subarray(0, end);
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > maxBytes) return { none: 'too-long' };
      if (end >= 0) {
        this.#rest = this.#rest.subarray(end + 1);
        return { line: Buffer.concat(pieces).toString('utf8') };
      }
      this.#rest = await this.#read();
      if (this.#rest.length === 0) return { none: 'ended' };
    }
  }

  /** The next bytes; none when the pipe is closed. */
  async #read(): Promise<Buffer> {
    try {
      const next = await this.#source.next();
      return next.done === true ? Buffer.alloc(0) : next.value;
    } catch {
      // A pipe breaks when its process is killed: its exit tells the story.
      return Buffer.alloc(0);
    }
  }
}

const lineFeed = 0x0a;
