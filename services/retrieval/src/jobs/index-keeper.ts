/** Work on the index that no job asks for: merging and filling in keyword rows, indexes of vectors, and changes of the embedding model. */
import type { Deps } from '../ports.ts';
import { createFillIn } from './fill-in-keywords.ts';
import { createVectorIndexing, type VectorIndexOptions } from './keep-vector-index.ts';
import { mergePass, type MergeOptions } from './merge-keywords.ts';
import { createReembedding, type ReembedOptions } from './reembed.ts';

type KeeperDeps = Pick<Deps, 'database' | 'keys' | 'passages' | 'auditor' | 'metrics' | 'log'>;

export interface KeeperOptions extends MergeOptions {
  /** Pause between two passes, give or take a fifth. */
  readonly intervalMs: number;
  readonly vectorIndex: VectorIndexOptions;
  readonly reembed: ReembedOptions;
}

export interface IndexKeeper {
  /** One pass now. Thrown: DATABASE_UNAVAILABLE, and what embedding says when it cannot be asked for its models. */
  pass(): Promise<void>;
  /** Begins to make passes. */
  start(): void;
  /** Makes no further pass, and waits for the batch that runs. */
  close(): Promise<void>;
}

export function createIndexKeeper(deps: KeeperDeps, options: KeeperOptions): IndexKeeper {
  const stop = new AbortController();
  const { signal } = stop;
  const fillIn = createFillIn(deps);
  const vectorIndexing = createVectorIndexing(deps, options.vectorIndex);
  const reembedding = createReembedding(deps, options.reembed);

  async function tend(): Promise<void> {
    await mergePass(deps, options, signal);
    await fillIn.pass(signal);
    await vectorIndexing.pass(signal);
  }
  const reembed = async (): Promise<unknown> => reembedding.pass(signal);
  // Two lines of passes: searches read what is not merged, so that merging must not wait for a model that is slow.
  const repeated = [tend, reembed].map((pass) => repeat(deps, pass, options.intervalMs, signal));

  return {
    async pass() {
      await tend();
      await reembed();
    },
    start() {
      for (const line of repeated) line.start();
    },
    async close() {
      stop.abort();
      await Promise.all(repeated.map((line) => line.ended()));
    },
  };
}

function repeat({ log }: KeeperDeps, pass: () => Promise<unknown>, intervalMs: number, signal: AbortSignal) {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  function start(): void {
    if (signal.aborted) return;
    timer = setTimeout(
      () => {
        running = pass()
          .catch((error: unknown) => {
            if (!signal.aborted) log.warn({ err: error }, 'a pass over the index failed');
          })
          .finally(start);
      },
      intervalMs * (0.8 + Math.random() * 0.4),
    );
  }
  return {
    start,
    async ended(): Promise<void> {
      clearTimeout(timer);
      await running;
    },
  };
}
