/**
 * Extraction processes, warmed before they are needed, and shared fairly by tenants (fair-slots.ts). A process only ever sees documents of one tenant, and only a
 * bounded number of them: what one document did to a parser cannot reach another tenant's.
 */
import { setImmediate } from 'node:timers';
import { AppError, needs } from '@wardstone/rpc';
import { maxTextBytes } from '../domain/decode-text.ts';
import { createFairSlots } from './fair-slots.ts';
import { createLauncher } from './launch.ts';
import type { ExtractionChild } from './launch.ts';
import { ExtractionProcess } from './process.ts';
import type { ExtractedText, ExtractionLimits, ExtractionTask } from './process.ts';

export interface PoolOptions {
  /** Documents that are read at the same time; a further one waits. */
  readonly concurrency: number;
  /** Of these, how many may be one tenant's while another waits; half of them unless told, and at least one. */
  readonly perTenant?: number;
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
  /** Waits for the tenant's turn and reads one document; rejects as `ExtractionProcess.extract` does. */
  extract<T>(tenantId: string, task: ExtractionTask, use: (text: ExtractedText) => Promise<T>): Promise<T>;
  /** Processes that are running, for metrics and tests. */
  size(): number;
  /** Documents that wait for a process. */
  waiting(): number;
  /** Kills every process and waits until all are gone; who waits for one is told SERVICE_UNAVAILABLE. */
  close(): Promise<void>;
}

export function createExtractionPool(options: PoolOptions): ExtractionPool {
  const launch = options.launch ?? createLauncher({ maxHeapMiB: options.maxHeapMiB });
  const documentsPerProcess = options.documentsPerProcess ?? 100;
  const running = new Set<ExtractionProcess>();
  const slots = createFairSlots({
    slots: options.concurrency,
    perTenant: options.perTenant ?? Math.max(1, Math.floor(options.concurrency / 2)),
  });
  let idle: Idle[] = [];
  let warm: ExtractionProcess | undefined;
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
    for (const entry of idle) if (!entry.process.alive) drop(entry.process);
    idle = idle.filter((entry) => entry.process.alive);
    const own = idle.findIndex((entry) => entry.tenantId === tenantId);
    if (own >= 0) {
      const [entry] = idle.splice(own, 1);
      if (entry !== undefined) return entry;
    }
    const fresh = warm?.alive === true ? warm : start();
    if (warm !== undefined && fresh !== warm) drop(warm);
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

  warmUp();
  return {
    async extract(tenantId, task, use) {
      const tooLong = task.kind === 'text' && task.bytes > maxTextBytes(options.limits.maxChars);
      needs(!tooLong, 'TEXT_TOO_LARGE');
      await slots.take(tenantId, task.signal);
      try {
        if (closed) throw new AppError('SERVICE_UNAVAILABLE');
        const { process, documents } = take(tenantId);
        try {
          return await process.extract(task, options.limits, use);
        } finally {
          giveBack(process, tenantId, documents + 1);
        }
      } finally {
        slots.leave(tenantId);
      }
    },
    size: () => running.size,
    waiting: () => slots.waiting(),
    async close() {
      closed = true;
      slots.close();
      await Promise.all([...running].map((process) => process.close()));
      running.clear();
    },
  };
}
