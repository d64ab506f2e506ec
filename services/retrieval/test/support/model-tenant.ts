/** A tenant whose vectors follow from model, title and text, so that of every answer it can be said which model it is of. */
import { v7 as uuidv7 } from 'uuid';
import { createReembedding, type Reembedding, type ReembedOptions } from '../../src/jobs/reembed.ts';
import { as, type Harness, passageVector, running, seededVector } from './harness.ts';

export const models = { old: 'model/old:1', next: 'model/next:2', third: 'model/third:3' } as const;
const title = 'Title';
/** What every question is, by each model. */
const questionOf = (model: string): Float32Array => seededVector(model.length * 7_919);

export interface Answer {
  readonly texts: readonly string[];
  /** The models that the scores of all hits agree with: one, or none when two are mixed. */
  readonly models: readonly string[];
}

export interface ModelTenant {
  readonly tenantId: string;
  /** Indexes a document whose artefacts are of a model, as the pipeline makes them. */
  write(texts: readonly string[], model: string, of?: { documentId?: string; version?: number }): Promise<string>;
  search(topK?: number): Promise<Answer>;
  /** What the tenant's row says. */
  state(): Promise<{ model: unknown; next: unknown; settled: unknown } | undefined>;
  /** Vectors, and vectors that say that nothing can be made of a passage, and bits, by model. */
  counts(): Promise<Record<string, readonly [vectors: number, none: number, bits: number]>>;
  /** A line of passes of its own, as a process begins it. */
  reembedding(options?: Partial<ReembedOptions>): Reembedding;
  /** Passes until nothing is left to do. */
  finish(options?: Partial<ReembedOptions>): Promise<void>;
}

/** Answers questions in this harness by each model's own vector. */
export function useModels(harness: Harness): void {
  const { models: served } = harness;
  harness.deps.vectors.vectorOf = (_question, _call, asked = served.current) =>
    Promise.resolve(served.unserved.has(asked) ? undefined : { modelId: asked, vector: questionOf(asked) });
}

export function modelTenant(harness: Harness): ModelTenant {
  const tenantId = uuidv7();
  const reembedding: ModelTenant['reembedding'] = (options = {}) =>
    createReembedding(harness.deps, { lookIntervalMs: 0, keepOldMs: 0, askAgainMs: 3_600_000, ...options });
  const state: ModelTenant['state'] = async () => {
    const [row] = await harness.testDatabase.query(
      'select model_id as model, next_model_id as next, settled from retrieval.tenant_model where tenant_id = $1',
      [tenantId],
    );
    return row as Awaited<ReturnType<ModelTenant['state']>>;
  };
  return {
    tenantId,
    reembedding,
    state,
    write: async (texts, model, of = {}) => {
      const chunks = texts.map((text) => ({ text, vector: passageVector(model, title, text) }));
      return (await harness.index({ tenantId, title, modelId: model, chunks, ...of })).documentId;
    },
    search: async (topK = 5) => {
      const { hits } = await harness.client.search({ query: 'zzz', topK }, as(tenantId));
      const agreeing = Object.values(models).filter((model) =>
        hits.every(({ text, score }) => {
          const expected = dot(questionOf(model), passageVector(model, title, text));
          return Math.abs(score - expected) < 2e-3;
        }),
      );
      return { texts: hits.map(({ text }) => text), models: agreeing };
    },
    counts: async () => {
      const rows = await harness.testDatabase.query(
        `select v.model_id as model, count(v.embedding)::int as vectors, count(b.bits)::int as bits,
                (count(*) - count(v.embedding))::int as none
         from retrieval.chunk_vector v
           left join retrieval.chunk_bits b using (tenant_id, document_id, version, ordinal, model_id)
         where v.tenant_id = $1 group by v.model_id order by v.model_id`,
        [tenantId],
      );
      return Object.fromEntries(
        rows.map((row) => [String(row['model']), [Number(row['vectors']), Number(row['none']), Number(row['bits'])]]),
      );
    },
    finish: async (options) => {
      const line = reembedding(options);
      await line.pass(running.signal);
      for (let pass = 0; pass < 50 && (await state())?.settled !== true; pass += 1) await line.pass(running.signal);
    },
  };
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
}
