/** Counters of this service. Labels are words of fixed lists: never an id, never content. */
import { Counter, Gauge, Histogram, type Registry } from '@wardstone/telemetry';
import type { TurnField } from './adapters/history-seals.ts';
import type { AnswerSummary } from './domain/compose-answer.ts';
import type { ModelUsage } from './ports.ts';

export interface AnswerMetrics {
  /** Answers in flight changed by this much. */
  answering(change: 1 | -1): void;
  /** One answer ended. */
  answered(summary: AnswerSummary, citations: number, seconds: number): void;
  /** How an answer ended could not be recorded. */
  unrecorded(): void;
}

/** A field of a conversation that is sealed. */
export type Unreadable = 'title' | TurnField;

/** Counters of what is kept. */
export interface HistoryMetrics {
  /** A value of a conversation opened under no key. */
  unreadable(field: Unreadable): void;
}

/** Counters of what answers cost. */
export interface UsageMetrics {
  /** An answer was not begun, for its tenant's budget. */
  budgetRefused(): void;
  /** A model was used for an answer. */
  used(usage: ModelUsage): void;
  /** What an answer used could not be counted. */
  uncounted(): void;
}

export function createMetrics(registry: Registry): AnswerMetrics {
  const registers = [registry];
  const inFlight = new Gauge({ name: 'wardstone_llm_answers_in_flight', help: 'Answers in flight', registers });
  const citations = new Counter({ name: 'wardstone_llm_citations_total', help: 'Citations that were sent', registers });
  const statements = new Counter({
    name: 'wardstone_llm_statements_total',
    help: 'Statements that models made, by whether the sources bear them out',
    labelNames: ['support'],
    registers,
  });
  const problems = new Counter({
    name: 'wardstone_llm_statement_problems_total',
    help: 'Why statements are not borne out; one may have several',
    labelNames: ['problem'],
    registers,
  });
  const findings = new Counter({
    name: 'wardstone_llm_guard_findings_total',
    help: 'Answers in which the output guard withheld something, by what it found',
    labelNames: ['finding'],
    registers,
  });
  const seconds = new Histogram({
    name: 'wardstone_llm_answer_seconds',
    help: 'Time of one answer from the question to its end, by outcome',
    labelNames: ['outcome'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  const unrecorded = new Counter({
    name: 'wardstone_llm_unrecorded_ends_total',
    help: 'Audit events of the end or the refusal of an answer that could not be recorded; the log has them',
    registers,
  });
  return {
    unrecorded: () => unrecorded.inc(),
    answering: (change) => inFlight.inc(change),
    answered(summary, count, took) {
      const { outcome } = summary;
      citations.inc(count);
      statements.inc({ support: 'supported' }, summary.supported);
      statements.inc({ support: 'unsupported' }, summary.statements - summary.supported);
      for (const [problem, times] of summary.problems) problems.inc({ problem }, times);
      for (const finding of summary.findings) findings.inc({ finding });
      seconds.observe({ outcome }, took);
    },
  };
}

export function createHistoryMetrics(registry: Registry): HistoryMetrics {
  const unreadable = new Counter({
    name: 'wardstone_llm_unreadable_values_total',
    help: 'Sealed values of conversations that opened under no key',
    labelNames: ['field'],
    registers: [registry],
  });
  return { unreadable: (field) => unreadable.inc({ field }) };
}

export function createUsageMetrics(registry: Registry): UsageMetrics {
  const registers = [registry];
  const refused = new Counter({
    name: 'wardstone_llm_budget_refusals_total',
    help: 'Answers that were not begun because the budget of their tenant was used up',
    registers,
  });
  const uncounted = new Counter({
    name: 'wardstone_llm_uncounted_answers_total',
    help: 'Answers whose usage could not be counted; the log has the figures',
    registers,
  });
  const tokens = new Counter({
    name: 'wardstone_llm_tokens_total',
    help: 'Tokens that models read and wrote',
    labelNames: ['model', 'kind'],
    registers,
  });
  const cost = new Counter({
    name: 'wardstone_llm_cost_micro_usd_total',
    help: 'What models cost, in millionths of a US dollar',
    labelNames: ['model'],
    registers,
  });
  return {
    budgetRefused: () => refused.inc(),
    uncounted: () => uncounted.inc(),
    used({ modelId: model, inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, costMicroUsd }) {
      tokens.inc({ model, kind: 'input' }, inputTokens);
      tokens.inc({ model, kind: 'output' }, outputTokens);
      tokens.inc({ model, kind: 'cache-read' }, cacheReadTokens);
      tokens.inc({ model, kind: 'cache-write' }, cacheWriteTokens);
      cost.inc({ model }, costMicroUsd);
    },
  };
}
