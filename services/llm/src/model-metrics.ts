/** Counters of calls to models. Labels are names of cards and words of fixed lists: never an id of a tenant, never content. */
import { type CircuitPosition, circuitValues } from '@wardstone/aws/bedrock';
import type { Reason } from '@wardstone/rpc';
import { Counter, Gauge, Histogram, type Registry } from '@wardstone/telemetry';

/** Where a call goes: a model (by its card's label) in a region. */
export interface RouteLabels {
  readonly model: string;
  readonly region: string;
}

/** What is asked of a model. */
export type ModelOperation = 'answer' | 'rewrite' | 'guardrail' | 'rerank';

export interface ModelMetrics {
  /** A call ended, after all its attempts. */
  called(route: RouteLabels, operation: ModelOperation, outcome: 'ok' | Reason): void;
  /** An attempt is made again. */
  retried(route: RouteLabels, reason: Reason): void;
  /** The first event of an answer came, this long after it was asked for. */
  began(route: RouteLabels, seconds: number): void;
  /** An answer goes on with another model or region, before anything of it was told. */
  fellBack(to: RouteLabels): void;
  circuit(route: RouteLabels, position: CircuitPosition): void;
  /** How a question that goes on with a conversation was put into words of its own. */
  rewritten(how: 'rewritten' | 'as-asked' | 'blocked' | 'malformed' | 'failed'): void;
  /** Sources were put into an order, or stay in that of retrieval because the reranker failed. */
  reranked(reranker: string, outcome: 'ok' | Reason, seconds: number): void;
}

export function createModelMetrics(registry: Registry): ModelMetrics {
  const registers = [registry];
  const named = (name: string, help: string, labelNames: string[]) => ({
    name: `wardstone_llm_${name}`,
    help,
    labelNames,
    registers,
  });
  const route = ['model', 'region'];
  const calls = new Counter(named('model_calls_total', 'Calls to models', [...route, 'operation', 'outcome']));
  const retries = new Counter(named('model_retries_total', 'Attempts made again', [...route, 'reason']));
  const fallbacks = new Counter(named('model_fallbacks_total', 'Answers that went on elsewhere, by where', route));
  const circuits = new Gauge(named('model_circuit', 'Circuits: 0 closed, 0.5 half open, 1 open', route));
  const rewrites = new Counter(named('rewrites_total', 'Questions put into words that stand alone', ['outcome']));
  const first = new Histogram({
    ...named('first_token_seconds', 'Time from asking a model to the first event of its answer', route),
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32],
  });
  const reranks = new Histogram({
    ...named('rerank_seconds', 'Time of putting sources into an order', ['reranker', 'outcome']),
    buckets: [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1, 2],
  });
  return {
    called: (where, operation, outcome) => calls.inc({ ...where, operation, outcome }),
    retried: (where, reason) => retries.inc({ ...where, reason }),
    began: (where, seconds) => first.observe({ ...where }, seconds),
    fellBack: (to) => fallbacks.inc({ ...to }),
    circuit: (where, position) => circuits.set({ ...where }, circuitValues[position]),
    rewritten: (outcome) => rewrites.inc({ outcome }),
    reranked: (reranker, outcome, seconds) => reranks.observe({ reranker, outcome }, seconds),
  };
}
