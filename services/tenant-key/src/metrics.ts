import { Counter, type Registry } from '@wardstone/telemetry';

/** What this service counts beside the kit's own metrics. */
export interface Metrics {
  readonly keysIssued: Counter<'peer' | 'purpose'>;
  /** Steps of rotations and offboardings that have to be taken again. */
  readonly lifecycleFailures: Counter;
}

export function createMetrics(registry: Registry): Metrics {
  return {
    keysIssued: new Counter({
      name: 'wardstone_tenant_key_keys_issued_total',
      help: 'Purpose keys given to services.',
      labelNames: ['peer', 'purpose'],
      registers: [registry],
    }),
    lifecycleFailures: new Counter({
      name: 'wardstone_tenant_key_lifecycle_failures_total',
      help: 'Steps of rotations and offboardings that failed and are taken again.',
      registers: [registry],
    }),
  };
}
