/** One extraction process: hands it documents, reads its answers, and kills it when it breaks a limit. */
import { readFile } from 'node:fs/promises';
import type { ChunkLine } from '@wardstone/queue';
import { AppError } from '@wardstone/rpc';
import type { Reason } from '@wardstone/rpc';
import { maxChunkSizeChars } from '../domain/chunking.ts';
import type { ChunkSizes } from '../domain/chunking.ts';
import { Answers, ChunkSequence, parseMessage } from './answers.ts';
import type { TextMessage } from './answers.ts';
import { Clock } from './clock.ts';
import type { TimeLimits } from './clock.ts';
import type { ExtractionChild } from './launch.ts';
import { Lines } from './lines.ts';
import { maxLineBytes } from './protocol.ts';
import type { ExtractionMessage, ExtractionRequest } from './protocol.ts';

/** Bounds of one document's extraction. */
export interface ExtractionLimits extends TimeLimits {
  readonly maxPages: number;
  /** Of the whole document's text, in UTF-16 code units. */
  readonly maxChars: number;
  /** Resident memory of the process. */
  readonly maxRssBytes: number;
}

/** A document to be read. */
export interface ExtractionTask {
  readonly kind: 'pdf' | 'text';
  /** Length of the body. */
  readonly bytes: number;
  /** Not touched before a process is free for it. */
  readonly body: AsyncIterable<Uint8Array>;
  readonly sizes: ChunkSizes;
  readonly signal: AbortSignal;
  /** Called as pages of a PDF are read, in order. */
  readonly onPage?: (page: number, pages: number) => void;
}

/** What was found in a document. */
export interface ExtractedText {
  readonly pageCount: number;
  /** UTF-16 code units of the whole text. */
  readonly charCount: number;
  readonly chunkCount: number;
  /** In order, as the process hands them over; to be read once. Thrown while reading: as by `extract`. */
  readonly chunks: AsyncIterable<ChunkLine>;
}

const rssSampleMs = 100;
const startTimeoutMs = 30_000;
/** A process that runs out of heap takes a moment to say so by its exit code. */
const exitGraceMs = 5_000;
const maxReadyBytes = 1024;

/** A document in work. */
interface Work {
  readonly task: ExtractionTask;
  readonly limits: ExtractionLimits;
  readonly clock: Clock;
  /** The process has answered for this document, and may be given the next. */
  answered: boolean;
  failure: AppError | undefined;
}

/** Wraps a started child. One document at a time; after an `ExtractionProcess` died it is thrown away. */
export class ExtractionProcess {
  readonly #child: ExtractionChild;
  readonly #lines: Lines;
  readonly #exited: Promise<void>;
  readonly #ready: Promise<void>;
  #alive = true;
  #killedFor: Reason | undefined;

  constructor(child: ExtractionChild) {
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const gone = (): void => {
        this.#alive = false;
        resolve();
      };
      child.once('error', gone);
      child.once('exit', gone);
    });
    // A process that dies while it is written to makes its pipe fail; the exit tells the story.
    child.stdin.on('error', () => undefined);
    child.stdout.on('error', () => undefined);
    this.#lines = new Lines(child.stdout);
    this.#ready = this.#awaitReady();
    this.#ready.catch(() => undefined);
  }

  /** Whether it may be given another document: not dead, and not about to be. */
  get alive(): boolean {
    return this.#alive && this.#killedFor === undefined;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Rejects with SERVICE_UNAVAILABLE when the process does not come up: that is our fault, not a document's. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /**
   * Reads one document. `use` gets its text when it has been read and cut; the process stays with it until `use` is done.
   * Thrown: AppError with PDF_CORRUPT, PDF_ENCRYPTED, PDF_NO_PAGES, TOO_MANY_PAGES, TEXT_ENCODING, TEXT_TOO_LARGE, NO_TEXT,
   * EXTRACTION_TIMEOUT, EXTRACTION_MEMORY; INTERNAL when the process failed over a plain text; CANCELLED when the signal
   * fired; or what the body's iterator or `use` threw.
   */
  async extract<T>(
    task: ExtractionTask,
    limits: ExtractionLimits,
    use: (text: ExtractedText) => Promise<T>,
  ): Promise<T> {
    await this.#ready;
    if (!this.alive) throw new AppError('SERVICE_UNAVAILABLE');
    const clock = new Clock(limits, () => {
      this.kill('EXTRACTION_TIMEOUT');
    });
    const work: Work = { task, limits, clock, answered: false, failure: undefined };
    const stopWatching = this.#watch(task.signal, limits);
    try {
      await this.#send(work);
      const text = await this.#textOf(work);
      return await use({
        pageCount: text.pages,
        charCount: text.chars,
        chunkCount: text.chunks,
        chunks: this.#chunksOf(work, text),
      });
    } catch (error) {
      // What reads the chunks may dress up what it was given.
      throw work.failure ?? error;
    } finally {
      // A process that was left in the middle is of no use to the next document.
      if (!work.answered) this.kill('CANCELLED');
      stopWatching();
    }
  }

  /** Kills at once, whatever the process does. */
  kill(reason: Reason): void {
    this.#killedFor ??= reason;
    this.#child.kill('SIGKILL');
  }

  /** Kills the process and waits until it is gone. */
  async close(): Promise<void> {
    this.kill('CANCELLED');
    await this.#exited;
    this.#child.stdin.destroy();
    this.#child.stdout.destroy();
  }

  async #textOf(work: Work): Promise<TextMessage> {
    const answers = new Answers(work.limits);
    let pages = 0;
    for (;;) {
      const message = await this.#next(work);
      if (message.kind === 'text' && answers.text(message)) return message;
      if (message.kind === 'opened' && answers.opened(message.pages)) pages = message.pages;
      else if (message.kind === 'page' && answers.page(message.page)) work.task.onPage?.(message.page, pages);
      else throw await this.#distrust(work);
    }
  }

  async *#chunksOf(work: Work, text: TextMessage): AsyncGenerator<ChunkLine> {
    const sequence = new ChunkSequence(text);
    for (;;) {
      const message = await this.#next(work);
      if (message.kind === 'chunk' && sequence.accepts(message)) yield message;
      else if (message.kind === 'done' && sequence.complete) break;
      else throw await this.#distrust(work);
    }
    work.answered = true;
  }

  /** The next message about the document. The process's time runs only while we wait for it. */
  async #next(work: Work): Promise<ExtractionMessage> {
    let line = this.#lines.buffered();
    if (line === undefined) {
      const next = await work.clock.during(this.#lines.next(maxLineBytes(maxChunkSizeChars, work.limits.maxPages)));
      if (next.line === undefined) {
        if (next.none === 'too-long') this.kill('TEXT_TOO_LARGE');
        throw await this.#death(work);
      }
      line = next.line;
    }
    const message = parseMessage(line);
    if (message === undefined) throw await this.#distrust(work);
    if (message.kind !== 'failed') return message;
    work.answered = true;
    work.failure = new AppError(message.refusal);
    throw work.failure;
  }

  /** For a process that talks nonsense. */
  async #distrust(work: Work): Promise<AppError> {
    this.kill(crashReason(work.task));
    return this.#death(work);
  }

  /** A process that has closed its pipe and lives on would hold its place for ever: it has a moment to end by itself. */
  async #death(work: Work): Promise<AppError> {
    const timer = setTimeout(() => {
      this.kill(crashReason(work.task));
    }, exitGraceMs);
    await this.#exited;
    clearTimeout(timer);
    work.failure ??= new AppError(this.#killedFor ?? causeOfDeath(this.#child, crashReason(work.task)));
    return work.failure;
  }

  /** Hands the document over; returns early when the process dies of it. */
  async #send(work: Work): Promise<void> {
    const sending = this.#sendAll(work);
    sending.catch(() => undefined);
    await Promise.race([sending, this.#exited]);
    if (!this.#alive) throw await this.#death(work);
  }

  async #sendAll({ task, limits, clock }: Work): Promise<void> {
    const { kind, bytes, sizes } = task;
    const { maxPages, maxChars } = limits;
    const request: ExtractionRequest = { kind, bytes, maxPages, maxChars, ...sizes };
    const header = Buffer.from(JSON.stringify(request));
    const frame = Buffer.alloc(4);
    frame.writeUInt32BE(header.length);
    await clock.during(this.#write(Buffer.concat([frame, header])));
    let sent = 0;
    for await (const piece of task.body) {
      sent += piece.length;
      if (sent > bytes || !this.#alive) break;
      await clock.during(this.#write(piece));
    }
    if (this.#alive && sent !== bytes) throw new Error('the body has another length than announced');
  }

  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#alive) {
        resolve();
        return;
      }
      // The callback comes when the pipe took the bytes (or failed): at most one piece is in memory.
      this.#child.stdin.write(bytes, () => {
        resolve();
      });
    });
  }

  /** Kills when the process holds too much memory, or nobody waits for it any more. */
  #watch(signal: AbortSignal, limits: ExtractionLimits): () => void {
    const memory = setInterval(() => {
      void residentBytes(this.#child.pid).then((bytes) => {
        if (bytes > limits.maxRssBytes) this.kill('EXTRACTION_MEMORY');
      });
    }, rssSampleMs);
    const abort = (): void => {
      this.kill('CANCELLED');
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    return () => {
      clearInterval(memory);
      signal.removeEventListener('abort', abort);
    };
  }

  async #awaitReady(): Promise<void> {
    const timer = setTimeout(() => {
      this.kill('SERVICE_UNAVAILABLE');
    }, startTimeoutMs);
    const { line } = await Promise.race([this.#lines.next(maxReadyBytes), this.#exited.then(() => ({ line: '' }))]);
    clearTimeout(timer);
    if (line !== undefined && parseMessage(line)?.kind === 'ready') return;
    this.kill('SERVICE_UNAVAILABLE');
    throw new AppError('SERVICE_UNAVAILABLE', { cause: new Error('the extraction process did not start') });
  }
}

/** A parser that breaks over a PDF makes that damaged; nothing in a plain text can be blamed for it. */
function crashReason(task: ExtractionTask): Reason {
  return task.kind === 'pdf' ? 'PDF_CORRUPT' : 'INTERNAL';
}

/** V8 aborts when its heap is full; a SIGKILL that is not ours comes from the kernel, which was short of memory. */
function causeOfDeath(child: ExtractionChild, crash: Reason): Reason {
  if (child.signalCode === 'SIGTERM' || child.signalCode === 'SIGINT') return 'SERVICE_UNAVAILABLE';
  if (child.signalCode === 'SIGABRT' || child.signalCode === 'SIGTRAP' || child.signalCode === 'SIGKILL') {
    return 'EXTRACTION_MEMORY';
  }
  return child.exitCode === 134 ? 'EXTRACTION_MEMORY' : crash;
}

/** Resident set of a process; 0 where the platform does not say (the heap limit holds there). */
async function residentBytes(pid: number | undefined): Promise<number> {
  if (pid === undefined) return 0;
  try {
    const status = await readFile(`/proc/${String(pid)}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
