/** Counters of this service. Labels are words of fixed lists: never an id, never content. */
import { Counter, Gauge, Histogram, type Registry } from '@wardstone/telemetry';
import type { AnswerOutcome } from './domain/outcomes.ts';

export interface AnswerMetrics {
  /** Answers in flight changed by this much. */
  answering(change: 1 | -1): void;
  /** One answer ended. */
  answered(outcome: AnswerOutcome, citations: number, seconds: number): void;
}

export function createMetrics(registry: Registry): AnswerMetrics {
  const registers = [registry];
  const inFlight = new Gauge({ name: 'wardstone_llm_answers_in_flight', help: 'Answers in flight', registers });
  const citations = new Counter({ name: 'wardstone_llm_citations_total', help: 'Citations that were sent', registers });
  const seconds = new Histogram({
    name: 'wardstone_llm_answer_seconds',
    help: 'Time of one answer from the question to its end, by outcome',
    labelNames: ['outcome'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  return {
    answering: (change) => inFlight.inc(change),
    answered(outcome, count, took) {
      citations.inc(count);
      seconds.observe({ outcome }, took);
    },
  };
}
