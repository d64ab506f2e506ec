import { Counter, Histogram, type Registry } from '@wardstone/telemetry';

/** What this service counts beside the kit's own metrics. */
export interface Metrics {
  readonly recorded: Counter<'service' | 'outcome'>;
  readonly appendsPerCommit: Histogram;
}

export function createMetrics(registry: Registry): Metrics {
  return {
    recorded: new Counter({
      name: 'audit_events_recorded_total',
      help: 'Events made durable, by the service that reported them and their outcome. Repeated ones count again.',
      labelNames: ['service', 'outcome'],
      registers: [registry],
    }),
    appendsPerCommit: new Histogram({
      name: 'audit_appends_per_commit',
      help: 'Appends that shared one transaction.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
      registers: [registry],
    }),
  };
}
