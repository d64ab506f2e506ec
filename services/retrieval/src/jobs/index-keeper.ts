/** Work on the index that no job asks for: merging keyword rows, filling in those that are missing, and indexes of vectors. */
import type { Deps } from '../ports.ts';
import { createFillIn } from './fill-in-keywords.ts';
import { createVectorIndexing, type VectorIndexOptions } from './keep-vector-index.ts';
import { mergePass, type MergeOptions } from './merge-keywords.ts';

type KeeperDeps = Pick<Deps, 'database' | 'keys' | 'auditor' | 'metrics' | 'log'>;

export interface KeeperOptions extends MergeOptions {
  /** Pause between two passes, give or take a fifth. */
  readonly intervalMs: number;
  readonly vectorIndex: VectorIndexOptions;
}

export interface IndexKeeper {
  /** One pass now. Thrown: DATABASE_UNAVAILABLE. */
  pass(): Promise<void>;
  /** Begins to make passes. */
  start(): void;
  /** Makes no further pass, and waits for the batch that runs. */
  close(): Promise<void>;
}

export function createIndexKeeper(deps: KeeperDeps, options: KeeperOptions): IndexKeeper {
  const stop = new AbortController();
  const fillIn = createFillIn(deps);
  const vectorIndexing = createVectorIndexing(deps, options.vectorIndex);
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();

  async function pass(): Promise<void> {
    await mergePass(deps, options, stop.signal);
    await fillIn.pass(stop.signal);
    await vectorIndexing.pass(stop.signal);
  }

  function schedule(): void {
    if (stop.signal.aborted) return;
    timer = setTimeout(
      () => {
        running = pass()
          .catch((error: unknown) => {
            deps.log.warn({ err: error }, 'a pass over the index failed');
          })
          .finally(schedule);
      },
      options.intervalMs * (0.8 + Math.random() * 0.4),
    );
  }

  return {
    pass,
    start: schedule,
    async close() {
      stop.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
