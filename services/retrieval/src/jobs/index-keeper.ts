/** Work on the index that no job asks for: merging and filling in keyword rows, indexes of vectors, and changes of the embedding model. */
import { type Closable, createTimerLoop } from '@wardstone/rpc';
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

export interface IndexKeeper extends Closable {
  /** One pass now. Thrown: DATABASE_UNAVAILABLE, and what embedding says when it cannot be asked for its models. */
  pass(): Promise<void>;
  /** Begins to make passes. */
  start(): void;
  /** Makes no further pass, and waits for the batch that runs. */
  close(): Promise<void>;
}

export function createIndexKeeper(deps: KeeperDeps, options: KeeperOptions): IndexKeeper {
  const fillIn = createFillIn(deps);
  const vectorIndexing = createVectorIndexing(deps, options.vectorIndex);
  const reembedding = createReembedding(deps, options.reembed);
  const line = (work: (signal: AbortSignal) => Promise<unknown>) =>
    createTimerLoop({
      intervalMs: options.intervalMs,
      work,
      onFailure: (error) => {
        deps.log.warn({ err: error }, 'a pass over the index failed');
      },
    });
  // Two lines of passes: searches read what is not merged, so that merging must not wait for a model that is slow.
  const tending = line(async (signal) => {
    await mergePass(deps, options, signal);
    await fillIn.pass(signal);
    await vectorIndexing.pass(signal);
  });
  const following = line((signal) => reembedding.pass(signal));

  return {
    async pass() {
      await tending.pass();
      await following.pass();
    },
    start() {
      tending.start();
      following.start();
    },
    async close() {
      await Promise.all([tending.close(), following.close()]);
    },
  };
}
