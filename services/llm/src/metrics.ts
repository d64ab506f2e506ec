/** Counters of this service. Labels are words of fixed lists: never an id, never content. */
import { Counter, Gauge, Histogram, type Registry } from '@wardstone/telemetry';
import type { AnswerSummary } from './domain/compose-answer.ts';

export interface AnswerMetrics {
  /** Answers in flight changed by this much. */
  answering(change: 1 | -1): void;
  /** One answer ended. */
  answered(summary: AnswerSummary, citations: number, seconds: number): void;
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
  return {
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
