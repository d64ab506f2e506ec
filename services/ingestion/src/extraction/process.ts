/** One extraction process: hands it documents, reads its answers, and kills it when it breaks a limit. */
import { readFile } from 'node:fs/promises';
import { AppError } from '@wardstone/rpc';
import type { Reason } from '@wardstone/rpc';
import type { ExtractionChild } from './launch.ts';
import { maxLineBytes } from './protocol.ts';
import type { ExtractionMessage, ExtractionRequest } from './protocol.ts';

/** Bounds of one document's extraction. */
export interface ExtractionLimits {
  readonly maxPages: number;
  /** Of the whole document's text, in UTF-16 code units. */
  readonly maxChars: number;
  /** Resident memory of the process. */
  readonly maxRssBytes: number;
  /** Wall-clock time of one document. */
  readonly timeoutMs: number;
  /** Longest silence: a page that takes longer will not end. */
  readonly pageTimeoutMs: number;
}

/** A document to be read, and where its text goes. */
export interface ExtractionTask {
  /** Length of the body. */
  readonly bytes: number;
  readonly body: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  /** Called once, before the first page. */
  readonly onOpened: (pages: number) => void;
  /** Called for each page in order. */
  readonly onPage: (page: number, text: string) => void;
}

const rssSampleMs = 100;
const startTimeoutMs = 30_000;

type Outcome = { readonly ok: true } | { readonly ok: false; readonly error: AppError };

/** Wraps a started child. One document at a time; after an `ExtractionProcess` died it is thrown away. */
export class ExtractionProcess {
  readonly #child: ExtractionChild;
  readonly #exited: Promise<void>;
  readonly #ready: Promise<void>;
  #buffer: Buffer[] = [];
  #buffered = 0;
  #lineLimit = 1024;
  #alive = true;
  #onMessage: (message: ExtractionMessage) => void = () => undefined;
  #onDeath: (error: AppError) => void = () => undefined;
  #killedFor: Reason | undefined;

  constructor(child: ExtractionChild) {
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const gone = (): void => {
        this.#alive = false;
        resolve();
      };
      child.once('error', gone);
      child.once('close', gone);
    });
    // A process that dies while it is written to makes its pipe fail; the exit tells the story.
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', (bytes: Buffer) => {
      this.#take(bytes);
    });
    this.#ready = this.#awaitReady();
    this.#ready.catch(() => undefined);
    void this.#exited.then(() => {
      this.#onDeath(new AppError(this.#killedFor ?? causeOfDeath(child)));
    });
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
   * Reads one document.
   * Thrown: AppError with PDF_CORRUPT, PDF_ENCRYPTED, PDF_NO_PAGES, TOO_MANY_PAGES, TEXT_TOO_LARGE, EXTRACTION_TIMEOUT,
   * EXTRACTION_MEMORY; CANCELLED when the signal fired; or what the body's iterator threw.
   */
  async extract(task: ExtractionTask, limits: ExtractionLimits): Promise<void> {
    await this.#ready;
    if (!this.#alive) throw new AppError('SERVICE_UNAVAILABLE');
    this.#lineLimit = maxLineBytes(limits.maxChars);
    const stopWatching = this.#watch(task.signal, limits);
    const outcome = new Promise<Outcome>((resolve) => {
      this.#onDeath = (error) => {
        resolve({ ok: false, error });
      };
      this.#onMessage = (message) => {
        stopWatching.heard();
        if (message.kind === 'opened') task.onOpened(message.pages);
        else if (message.kind === 'page') task.onPage(message.page, message.text);
        else if (message.kind === 'done') resolve({ ok: true });
        else if (message.kind === 'failed') resolve({ ok: false, error: new AppError(message.failure) });
      };
    });
    let sent = false;
    const sending = this.#send(task, limits).then(() => {
      sent = true;
    });
    try {
      await Promise.race([sending, outcome]);
      const result = await outcome;
      if (!result.ok) throw result.error;
    } finally {
      // A process whose document came half waits for the rest: it is of no use to the next one.
      if (!sent) this.kill('CANCELLED');
      stopWatching.stop();
      this.#onMessage = () => undefined;
      this.#onDeath = () => undefined;
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
  }

  async #send(task: ExtractionTask, limits: ExtractionLimits): Promise<void> {
    const request: ExtractionRequest = { bytes: task.bytes, maxPages: limits.maxPages, maxChars: limits.maxChars };
    const header = Buffer.from(JSON.stringify(request));
    const frame = Buffer.alloc(4);
    frame.writeUInt32BE(header.length);
    await this.#write(Buffer.concat([frame, header]));
    let sent = 0;
    for await (const piece of task.body) {
      sent += piece.length;
      if (sent > task.bytes || !this.#alive) break;
      await this.#write(piece);
    }
    if (this.#alive && sent !== task.bytes) throw new Error('the body has another length than announced');
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

  #watch(signal: AbortSignal, limits: ExtractionLimits): { heard(): void; stop(): void } {
    const whole = setTimeout(() => {
      this.kill('EXTRACTION_TIMEOUT');
    }, limits.timeoutMs);
    const silence = setTimeout(() => {
      this.kill('EXTRACTION_TIMEOUT');
    }, limits.pageTimeoutMs);
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
    return {
      heard: () => {
        silence.refresh();
      },
      stop: () => {
        clearTimeout(whole);
        clearTimeout(silence);
        clearInterval(memory);
        signal.removeEventListener('abort', abort);
      },
    };
  }

  async #awaitReady(): Promise<void> {
    const timer = setTimeout(() => {
      this.kill('SERVICE_UNAVAILABLE');
    }, startTimeoutMs);
    const ready = new Promise<boolean>((resolve) => {
      this.#onMessage = (message) => {
        if (message.kind === 'ready') resolve(true);
      };
    });
    const up = await Promise.race([ready, this.#exited.then(() => false)]);
    clearTimeout(timer);
    if (!up) throw new AppError('SERVICE_UNAVAILABLE', { cause: new Error('the extraction process did not start') });
  }

  #take(bytes: Buffer): void {
    let rest = bytes;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...this.#buffer, rest.subarray(0, end)]).toString('utf8');
      this.#buffer = [];
      this.#buffered = 0;
      rest = rest.subarray(end + 1);
      const message = parseMessage(line);
      if (message === undefined) this.kill('PDF_CORRUPT');
      else this.#onMessage(message);
    }
    if (rest.length === 0) return;
    this.#buffer.push(rest);
    this.#buffered += rest.length;
    if (this.#buffered > this.#lineLimit) this.kill('TEXT_TOO_LARGE');
  }
}

/** The process is not trusted: what it writes is checked like any input. */
function parseMessage(line: string): ExtractionMessage | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
    const message = value as ExtractionMessage;
    switch (message.kind) {
      case 'ready':
      case 'done':
        return message;
      case 'opened':
        return Number.isSafeInteger(message.pages) ? message : undefined;
      case 'page':
        return Number.isSafeInteger(message.page) && typeof message.text === 'string' ? message : undefined;
      case 'failed':
        return failures.has(message.failure) ? message : undefined;
    }
  } catch {
    return undefined;
  }
}

const failures: ReadonlySet<string> = new Set([
  'PDF_CORRUPT',
  'PDF_ENCRYPTED',
  'PDF_NO_PAGES',
  'TOO_MANY_PAGES',
  'TEXT_TOO_LARGE',
  'EXTRACTION_MEMORY',
]);

/** V8 aborts when its heap is full; a SIGKILL that is not ours comes from the kernel, which was short of memory. */
function causeOfDeath(child: ExtractionChild): Reason {
  if (child.signalCode === 'SIGTERM' || child.signalCode === 'SIGINT') return 'SERVICE_UNAVAILABLE';
  if (child.signalCode === 'SIGABRT' || child.signalCode === 'SIGTRAP' || child.signalCode === 'SIGKILL') {
    return 'EXTRACTION_MEMORY';
  }
  return child.exitCode === 134 ? 'EXTRACTION_MEMORY' : 'PDF_CORRUPT';
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
