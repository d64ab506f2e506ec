import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { stages, type Stage } from './job.ts';
import type { Refusal } from './statements.ts';

/** How one run of a job ended. */
export type JobOutcome = 'completed' | 'failed' | 'retried' | 'skipped' | 'returned' | 'refused';

export interface JobMetrics {
  finished(stage: Stage, outcome: JobOutcome, seconds: number): void;
  stalled(stage: Stage): void;
  /** Something in the queue was not believed. */
  refused(stage: Stage, subject: 'job' | 'outcome', refusal: Refusal): void;
}

const waitingStates = ['waiting', 'active', 'delayed', 'failed'] as const;

/** Metrics of a worker. Several workers of one process share them. */
export function jobMetrics(registry: Registry): JobMetrics {
  const runs =
    registry.getSingleMetric('wardstone_queue_jobs_total') ??
    new Counter({
      name: 'wardstone_queue_jobs_total',
      help: 'Runs of jobs by stage and outcome.',
      labelNames: ['stage', 'outcome'],
      registers: [registry],
    });
  const durations =
    registry.getSingleMetric('wardstone_queue_job_duration_seconds') ??
    new Histogram({
      name: 'wardstone_queue_job_duration_seconds',
      help: 'Duration of one run of a job.',
      labelNames: ['stage', 'outcome'],
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300],
      registers: [registry],
    });
  const stalls =
    registry.getSingleMetric('wardstone_queue_jobs_stalled_total') ??
    new Counter({
      name: 'wardstone_queue_jobs_stalled_total',
      help: 'Jobs taken over from a worker that stopped renewing its lock.',
      labelNames: ['stage'],
      registers: [registry],
    });
  const refusals =
    registry.getSingleMetric('wardstone_queue_jobs_refused_total') ??
    new Counter({
      name: 'wardstone_queue_jobs_refused_total',
      help: 'Jobs that were not run because they, or the outcome before them, are not signed as they should be.',
      labelNames: ['stage', 'subject', 'reason'],
      registers: [registry],
    });
  return {
    finished: (stage, outcome, seconds) => {
      if (runs instanceof Counter) runs.inc({ stage, outcome });
      if (durations instanceof Histogram) durations.observe({ stage, outcome }, seconds);
    },
    stalled: (stage) => {
      if (stalls instanceof Counter) stalls.inc({ stage });
    },
    refused: (stage, subject, reason) => {
      if (refusals instanceof Counter) refusals.inc({ stage, subject, reason });
    },
  };
}

/** Jobs in each queue, counted when the metrics are read. A queue that cannot be reached shows no value. */
export function registerWaitingGauge(
  registry: Registry,
  count: (stage: Stage, states: readonly (typeof waitingStates)[number][]) => Promise<number[]>,
): void {
  if (registry.getSingleMetric('wardstone_queue_jobs') !== undefined) return;
  new Gauge({
    name: 'wardstone_queue_jobs',
    help: 'Jobs in the queue by stage and state.',
    labelNames: ['stage', 'state'],
    registers: [registry],
    async collect() {
      this.reset();
      const counts = await Promise.all(stages.map((stage) => count(stage, waitingStates).catch(() => undefined)));
      stages.forEach((stage, at) => {
        counts[at]?.forEach((value, index) => {
          const state = waitingStates[index];
          if (state !== undefined) this.set({ stage, state }, value);
        });
      });
    },
  });
}
