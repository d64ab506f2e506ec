/**
 * The extraction process: reads PDFs from standard input, one after the other, and answers with their pages' text on
 * standard output (see protocol.ts). It is started by process.ts with no environment, no rights but to read its own code,
 * and a heap limit; whoever started it may kill it at any moment.
 */
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Pdfjs from 'pdfjs-dist';
import { visibleAnnotationTexts } from './annotations.ts';
import { pageText } from './page-text.ts';
import type { PositionedText } from './page-text.ts';
import { maxHeaderBytes } from './protocol.ts';
import type { ExtractionFailure, ExtractionMessage, ExtractionRequest } from './protocol.ts';

/** Pages between two clean-ups of pdfjs's caches: bounds the memory of long documents. */
const pagesPerCleanup = 50;

class Refused extends Error {
  readonly failure: ExtractionFailure;
  constructor(failure: ExtractionFailure) {
    super(failure);
    this.failure = failure;
  }
}

async function main(): Promise<void> {
  // pdfjs warns through the console, and standard output is the protocol's alone.
  const silent = (): void => undefined;
  Object.assign(globalThis.console, { log: silent, info: silent, warn: silent, error: silent, debug: silent });
  const pdfjsUrl = process.argv[2] ?? '';
  const pdfjs = (await import(pdfjsUrl)) as typeof Pdfjs;
  await import(new URL('pdf.worker.mjs', pdfjsUrl).href);
  const packageDir = join(dirname(fileURLToPath(pdfjsUrl)), '..', '..');
  send({ kind: 'ready' });
  const input = new Input(process.stdin);
  for (;;) {
    const request = await input.readRequest();
    if (request === undefined) return;
    const bytes = await input.readBody(request.bytes);
    send(await extract(pdfjs, packageDir, bytes, request));
  }
}

async function extract(
  pdfjs: typeof Pdfjs,
  packageDir: string,
  data: Uint8Array,
  limits: ExtractionRequest,
): Promise<ExtractionMessage> {
  const task = pdfjs.getDocument({
    data,
    cMapUrl: join(packageDir, 'cmaps') + sep,
    cMapPacked: true,
    standardFontDataUrl: join(packageDir, 'standard_fonts') + sep,
    useSystemFonts: false,
    useWorkerFetch: false,
    disableFontFace: true,
    enableXfa: false,
    verbosity: pdfjs.VerbosityLevel.ERRORS,
  });
  try {
    const document = await task.promise;
    if (document.numPages === 0) throw new Refused('PDF_NO_PAGES');
    if (document.numPages > limits.maxPages) throw new Refused('TOO_MANY_PAGES');
    send({ kind: 'opened', pages: document.numPages });
    let charsLeft = limits.maxChars;
    for (let number = 1; number <= document.numPages; number += 1) {
      const text = await readPage(await document.getPage(number), charsLeft);
      charsLeft -= text.length;
      send({ kind: 'page', page: number, text });
      if (number % pagesPerCleanup === 0) await document.cleanup();
    }
    return { kind: 'done' };
  } catch (error) {
    return { kind: 'failed', failure: failureOf(error) };
  } finally {
    await task.destroy().catch(() => undefined);
  }
}

/** Reads a page's items as they come, so that a page that never ends is given up when it is too large. */
async function readPage(page: Pdfjs.PDFPageProxy, maxChars: number): Promise<string> {
  const items: PositionedText[] = [];
  let chars = 0;
  const reader = page.streamTextContent().getReader() as ReadableStreamDefaultReader<{ items: unknown[] }>;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    for (const item of value.items as (PositionedText | { type: string })[]) {
      if (!('str' in item)) continue;
      chars += item.str.length;
      items.push(item);
    }
    if (chars > maxChars) throw new Refused('TEXT_TOO_LARGE');
  }
  // Annotations that cannot be read fail the document: a form without its values would be silently incomplete.
  const annotations = (await page.getAnnotations()) as unknown[];
  const text = pageText(items, visibleAnnotationTexts(annotations));
  if (text.length > maxChars) throw new Refused('TEXT_TOO_LARGE');
  page.cleanup();
  return text;
}

function failureOf(error: unknown): ExtractionFailure {
  if (error instanceof Refused) return error.failure;
  if (!(error instanceof Error)) return 'PDF_CORRUPT';
  if (error.name === 'PasswordException' || /encryption/i.test(error.message)) return 'PDF_ENCRYPTED';
  if (/allocation failed|Invalid (array|typed array|string) length/.test(error.message)) return 'EXTRACTION_MEMORY';
  if (/Pages tree|Kids|page dictionary/i.test(error.message) && /empty|no pages|Page count/i.test(error.message)) {
    return 'PDF_NO_PAGES';
  }
  return 'PDF_CORRUPT';
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
