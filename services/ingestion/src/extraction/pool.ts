/**
 * Extraction processes, warmed before they are needed. A process only ever sees documents of one tenant, and only a
 * bounded number of them: what one document did to a parser cannot reach another tenant's.
 */
import { setImmediate } from 'node:timers';
import { AppError, needs } from '@wardstone/rpc';
import { maxTextBytes } from '../domain/decode-text.ts';
import { createLauncher } from './launch.ts';
import type { ExtractionChild } from './launch.ts';
import { ExtractionProcess } from './process.ts';
import type { ExtractedText, ExtractionLimits, ExtractionTask } from './process.ts';

export interface PoolOptions {
  /** Documents that are read at the same time; a further one waits. */
  readonly concurrency: number;
  readonly limits: ExtractionLimits;
  /** Limit of V8's heap in each process, in MiB. */
  readonly maxHeapMiB: number;
  /** A process is replaced after this many documents. */
  readonly documentsPerProcess?: number;
  /** Starts a process; the default starts child.ts with few rights. */
  readonly launch?: () => ExtractionChild;
}

interface Idle {
  readonly process: ExtractionProcess;
  readonly tenantId: string;
  readonly documents: number;
}

/** Reads documents in processes of their own. */
export interface ExtractionPool {
  /** Reads one document; rejects as `ExtractionProcess.extract` does. */
  extract<T>(tenantId: string, task: ExtractionTask, use: (text: ExtractedText) => Promise<T>): Promise<T>;
  /** Processes that are running, for metrics and tests. */
  size(): number;
  /** Kills every process and waits until all are gone. */
  close(): Promise<void>;
}

export function createExtractionPool(options: PoolOptions): ExtractionPool {
  const launch = options.launch ?? createLauncher({ maxHeapMiB: options.maxHeapMiB });
  const documentsPerProcess = options.documentsPerProcess ?? 100;
  const running = new Set<ExtractionProcess>();
  const waiting: (() => void)[] = [];
  let idle: Idle[] = [];
  let warm: ExtractionProcess | undefined;
  let busy = 0;
  let closed = false;

  function start(): ExtractionProcess {
    const process = new ExtractionProcess(launch());
    running.add(process);
    return process;
  }

  function drop(process: ExtractionProcess): void {
    void process.close().then(() => running.delete(process));
  }

  /** One process waits for the next tenant; it is started after the present work got its turn. */
  function warmUp(): void {
    setImmediate(() => {
      if (!closed && warm === undefined) warm = start();
    });
  }

  function take(tenantId: string): { process: ExtractionProcess; documents: number } {
    const dead = idle.filter((entry) => !entry.process.alive);
    for (const entry of dead) running.delete(entry.process);
    idle = idle.filter((entry) => entry.process.alive);
    const own = idle.findIndex((entry) => entry.tenantId === tenantId);
    if (own >= 0) {
      const [entry] = idle.splice(own, 1);
      if (entry !== undefined) return entry;
    }
    const fresh = warm?.alive === true ? warm : start();
    if (warm !== undefined && fresh !== warm) running.delete(warm);
    warm = undefined;
    warmUp();
    return { process: fresh, documents: 0 };
  }

  function giveBack(process: ExtractionProcess, tenantId: string, documents: number): void {
    if (closed || !process.alive || documents >= documentsPerProcess) {
      drop(process);
      return;
    }
    idle.push({ process, tenantId, documents });
    // The oldest goes first, so the pool holds no more processes than may work at once, and the warm one.
    while (idle.length > options.concurrency) {
      const oldest = idle.shift();
      if (oldest !== undefined) drop(oldest.process);
    }
  }

  async function slot(): Promise<void> {
    if (closed) throw new AppError('SERVICE_UNAVAILABLE');
    if (busy < options.concurrency) {
      busy += 1;
      return;
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  }

  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) busy -= 1;
    else next();
  }

  warmUp();
  return {
    async extract(tenantId, task, use) {
      const tooLong = task.kind === 'text' && task.bytes > maxTextBytes(options.limits.maxChars);
      needs(!tooLong, 'TEXT_TOO_LARGE');
      await slot();
      try {
        if (task.signal.aborted) throw new AppError('CANCELLED');
        const { process, documents } = take(tenantId);
        try {
          return await process.extract(task, options.limits, use);
        } finally {
          giveBack(process, tenantId, documents + 1);
        }
      } finally {
        leave();
      }
    },
    size: () => running.size,
    async close() {
      closed = true;
      await Promise.all([...running].map((process) => process.close()));
      running.clear();
    },
  };
}
