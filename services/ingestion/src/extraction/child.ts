/**
 * The extraction process: reads documents from standard input, one after the other, and answers with their chunks on
 * standard output (see protocol.ts). It is started by launch.ts with no environment, no rights but to read its own code,
 * and a heap limit; whoever started it may kill it at any moment.
 */
import { chunkDocument } from '../domain/chunking.ts';
import { decodeText } from '../domain/decode-text.ts';
import { Refused } from '../domain/refusal.ts';
import { maxHeaderBytes } from './protocol.ts';
import type { ExtractionMessage, ExtractionRequest } from './protocol.ts';
import { loadPdfReader } from './read-pdf.ts';
import type { PdfReader } from './read-pdf.ts';

async function main(): Promise<void> {
  // pdfjs warns through the console, and standard output is the protocol's alone.
  const silent = (): void => undefined;
  Object.assign(globalThis.console, { log: silent, info: silent, warn: silent, error: silent, debug: silent });
  const pdfs = await loadPdfReader(process.argv[2] ?? '');
  send({ kind: 'ready' });
  const input = new Input(process.stdin);
  for (;;) {
    const request = await input.readRequest();
    if (request === undefined) return;
    const bytes = await input.readBody(request.bytes);
    try {
      await answer(pdfs, request, bytes);
      send({ kind: 'done' });
    } catch (error) {
      send({ kind: 'failed', refusal: refusalOf(error) });
    }
  }
}

async function answer(pdfs: PdfReader, request: ExtractionRequest, bytes: Uint8Array): Promise<void> {
  const text =
    request.kind === 'text'
      ? decodeText(bytes, request.maxChars)
      : await pdfs.read(bytes, request, {
          opened: (pages) => {
            send({ kind: 'opened', pages });
          },
          page: (page) => {
            send({ kind: 'page', page });
          },
        });
  const { count, chunks } = await chunkDocument(text, request);
  send({ kind: 'text', pages: text.pageCount, chars: text.text.length, chunks: count });
  for (const chunk of chunks) send({ kind: 'chunk', ...chunk });
}

/** What is none of the document's faults ends the process: its parent knows what that means. */
function refusalOf(error: unknown): Refused['refusal'] {
  if (error instanceof Refused) return error.refusal;
  if (error instanceof RangeError && /allocation failed|Invalid (array|string) length/.test(error.message)) {
    return 'EXTRACTION_MEMORY';
  }
  throw error;
}

function send(message: ExtractionMessage): void {
  // Writes to a pipe are synchronous on POSIX: a slow parent slows the process down instead of filling its memory.
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Standard input as frames. */
class Input {
  readonly #source: AsyncIterator<Buffer>;
  #pending: Buffer = Buffer.alloc(0);

  constructor(source: NodeJS.ReadableStream) {
    this.#source = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** The next request, or undefined when the parent closed the pipe. */
  async readRequest(): Promise<ExtractionRequest | undefined> {
    const head = await this.#read(4);
    if (head === undefined) return undefined;
    const length = head.readUInt32BE(0);
    if (length > maxHeaderBytes) throw new Error('header too long');
    const header = await this.#read(length);
    return header === undefined ? undefined : (JSON.parse(header.toString('utf8')) as ExtractionRequest);
  }

  async readBody(length: number): Promise<Uint8Array> {
    const body = await this.#read(length);
    if (body === undefined) throw new Error('body cut short');
    return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  }

  async #read(length: number): Promise<Buffer | undefined> {
    const result = Buffer.from(new ArrayBuffer(length));
    let filled = 0;
    while (filled < length) {
      if (this.#pending.length === 0) {
        const next = await this.#source.next();
        if (next.done === true) return undefined;
        this.#pending = next.value;
      }
      const taken = this.#pending.copy(result, filled);
      this.#pending = this.#pending.subarray(taken);
      filled += taken;
    }
    return result;
  }
}

await main();
// A parent that closed the pipe wants the process gone, whatever pdfjs still holds open.
process.exit(0);
