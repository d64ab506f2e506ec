/** Makes an index of vectors for each large tenant, in the background, and keeps it. */
import { nilUuid } from '@wardstone/db';
import type { EntityManager } from 'typeorm';
import { findNearestByBits, planForTenant } from '../db/nearest-chunks.ts';
import {
  becomeIndexer,
  beginIndex,
  type CountedSpace,
  countSpaces,
  drawVectors,
  endTraining,
  giveUpIndex,
  measureQuestion,
  newestIndex,
  placeVectors,
  removeOlderIndexes,
  removeOtherIndexes,
  tenantsToIndex,
  trainStep,
  useIndex,
  type VectorIndex,
} from '../db/vector-index-build.ts';
import {
  isOutgrown,
  judge,
  listsFor,
  type Measured,
  questionsOf,
  trainingStep,
  vectorsPerStep,
} from '../domain/vector-index.ts';
import { coarseCandidates } from '../domain/vector-steps.ts';
import type { Deps } from '../ports.ts';

type IndexingDeps = Pick<Deps, 'database' | 'metrics' | 'log'>;

/** A list that fewer vectors came to in the training is given up. */
const minSampledPerList = 8;
const measuredQuestions = 96;
const measuredNeighbours = 10;
/** Seeds of samples: steps of a training have the number of vectors before them, which is never one of these. */
const seeds = { begin: -1, measure: -2 };
/** Rows that one transaction writes at most. */
const maxRowsPerStep = 4_000;
/** Work of one pass at most. */
const maxTenantsPerPass = 100;
const maxPassMs = 5_000;

export interface VectorIndexOptions {
  /** Chunks of one space from which a tenant has an index of its own; it loses it below half of that. */
  readonly minChunks: number;
  /** Pause between two looks at all tenants, when there is nothing left to do. */
  readonly lookIntervalMs: number;
}

/** Bounds of one call. */
export interface WorkBounds {
  readonly signal: AbortSignal;
  /** By `performance.now()`; the step that runs is finished. */
  readonly untilMs: number;
}

/** Passes, each of which goes on where the last one stopped. */
export interface VectorIndexing {
  /**
   * Gives the number of steps that were done. A tenant whose work fails is told of and passed over until the next look at all
   * tenants: it would hold up those behind it for ever. Thrown: DATABASE_UNAVAILABLE, when it cannot be asked for tenants.
   */
  pass(signal: AbortSignal): Promise<number>;
}

export function createVectorIndexing(deps: IndexingDeps, options: VectorIndexOptions): VectorIndexing {
  let after: string = nilUuid;
  let lookAgainAtMs = 0;
  return {
    async pass(signal) {
      const startedAtMs = performance.now();
      if (startedAtMs < lookAgainAtMs) return 0;
      const untilMs = startedAtMs + maxPassMs;
      const page = { minChunks: options.minChunks, after, maxTenants: maxTenantsPerPass };
      const tenants = await deps.database.inPlatform((tx) => tenantsToIndex(tx, page));
      let steps = 0;
      for (const tenantId of tenants) {
        if (signal.aborted || performance.now() > untilMs) return steps;
        try {
          const { steps: done, isFinished } = await indexTenant(deps, tenantId, options, { signal, untilMs });
          steps += done;
          if (!isFinished) return steps;
        } catch (error) {
          deps.metrics.vectorIndexFailed();
          deps.log.warn({ err: error, tenantId }, 'the index of vectors of a tenant could not be worked on');
        }
        after = tenantId;
      }
      if (tenants.length === maxTenantsPerPass) return steps;
      after = nilUuid;
      lookAgainAtMs = performance.now() + options.lookIntervalMs;
      return steps;
    },
  };
}

/** What one call did to a tenant. */
export interface IndexingOutcome {
  readonly steps: number;
  /** Whether nothing is left to do. */
  readonly isFinished: boolean;
}

/**
 * Brings the indexes of a tenant up to date, step by step. Each step is one transaction under the tenant's lock and leaves
 * behind where to go on: a kill at any instruction costs one step. A search finds every vector at any time, because what is in no list
 * of an index is read too. Thrown: DATABASE_UNAVAILABLE.
 */
export async function indexTenant(
  deps: IndexingDeps,
  tenantId: string,
  options: Pick<VectorIndexOptions, 'minChunks'>,
  { signal, untilMs }: WorkBounds,
): Promise<IndexingOutcome> {
  const counted = await deps.database.inTenant(tenantId, async (tx) => {
    if (!(await becomeIndexer(tx, tenantId))) return [];
    const spaces = await countSpaces(tx, tenantId);
    const kept = spaces.filter(({ chunkCount }) => chunkCount * 2 >= options.minChunks);
    await removeOtherIndexes(tx, tenantId, kept);
    return kept;
  });
  let steps = 0;
  for (const space of counted) {
    for (;;) {
      if (signal.aborted || performance.now() > untilMs) return { steps, isFinished: false };
      const isDone = await deps.database.inTenant(tenantId, async (tx) => {
        if (!(await becomeIndexer(tx, tenantId))) return false;
        await planForTenant(tx);
        return step(deps, tx, space, options.minChunks, signal);
      });
      if (!isDone) break;
      steps += 1;
    }
  }
  return { steps, isFinished: true };
}

/** The next thing to do in a space; false when there is none. */
async function step(
  deps: IndexingDeps,
  tx: EntityManager,
  space: CountedSpace,
  minChunks: number,
  signal: AbortSignal,
): Promise<boolean> {
  const index = await newestIndex(tx, space);
  const isSettled = index === undefined || index.state === 'useless' || index.state === 'filling';
  if (
    isSettled &&
    space.chunkCount >= minChunks &&
    (index === undefined || isOutgrown(index.chunkCount, space.chunkCount))
  ) {
    await beginIndex(tx, space, { seed: seeds.begin, count: listsFor(space.chunkCount) });
    return true;
  }
  switch (index?.state) {
    case 'training':
      await train(deps, tx, space, index);
      return true;
    case 'measuring':
      await measure(deps, tx, space, index, signal);
      return true;
    case 'filling':
      return fill(deps, tx, space, index);
    default:
      return false;
  }
}

async function train(deps: IndexingDeps, tx: EntityManager, space: CountedSpace, index: VectorIndex): Promise<void> {
  const count = trainingStep(listsFor(index.chunkCount), index.trainedVectors);
  if (count > 0) {
    await trainStep(tx, space, index.indexNo, { seed: index.trainedVectors, count });
    return;
  }
  const lists = await endTraining(tx, space.tenantId, index.indexNo, minSampledPerList);
  if (lists === 0) await giveUp(deps, tx, space, index, { lists });
}

/**
 * Asks questions as a person might, finds their neighbours by the bits of all vectors, and looks how far away their lists are. By
 * that it is known how many lists a search has to read, and whether that is worth it: it is not where vectors do not cluster, as
 * those of the embedded model.
 */
async function measure(
  deps: IndexingDeps,
  tx: EntityManager,
  space: CountedSpace,
  index: VectorIndex,
  signal: AbortSignal,
): Promise<void> {
  const { tenantId, modelId, vectorKeyVersion } = space;
  const drawn = await drawVectors(tx, space, { seed: seeds.measure, count: measuredQuestions });
  const questions: Measured[] = [];
  for (const vector of questionsOf(drawn)) {
    // The next process measures anew.
    if (signal.aborted) return;
    const query = { tenantId, modelId, vectorKeyVersion, vector, documentIds: undefined, limit: measuredNeighbours };
    const nearest = await findNearestByBits(tx, query, coarseCandidates);
    questions.push(await measureQuestion(tx, space, index.indexNo, vector, nearest));
  }
  const { margin, shareRead, isUseful } = judge(questions);
  const lists = questions[0]?.lists.length ?? 0;
  if (!isUseful) {
    await giveUp(deps, tx, space, index, { lists, shareRead });
    return;
  }
  await useIndex(tx, tenantId, index.indexNo, margin);
  deps.metrics.vectorIndex('used');
  deps.log.info({ tenantId, chunks: index.chunkCount, lists, margin, shareRead }, 'vectors get an index of their own');
}

async function giveUp(
  deps: IndexingDeps,
  tx: EntityManager,
  space: CountedSpace,
  index: VectorIndex,
  figures: { readonly lists: number; readonly shareRead?: number },
): Promise<void> {
  await giveUpIndex(tx, space, index.indexNo);
  deps.metrics.vectorIndex('useless');
  const { tenantId } = space;
  deps.log.info({ tenantId, chunks: index.chunkCount, ...figures }, 'an index of vectors would not be worth it');
}

async function fill(
  deps: IndexingDeps,
  tx: EntityManager,
  space: CountedSpace,
  { indexNo, firstList, chunkCount }: VectorIndex,
): Promise<boolean> {
  const maxRows = Math.min(maxRowsPerStep, vectorsPerStep(listsFor(chunkCount)));
  const placed = firstList === undefined ? 0 : await placeVectors(tx, space, { indexNo, firstList }, maxRows);
  deps.metrics.listed(placed);
  // Those that are still in an older list are held by a writer: what they become is in no list.
  if (placed === 0) await removeOlderIndexes(tx, space, indexNo);
  return placed > 0;
}
