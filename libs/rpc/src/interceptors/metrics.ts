import { Counter, Gauge, Histogram, type Registry } from '@wardstone/telemetry';

const labelNames = ['service', 'method', 'code'] as const;
const callLabelNames = ['service', 'method'] as const;
const secondsBuckets = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Labels of a finished call. Only registered methods get here, so their number is bounded. */
export interface RpcLabels {
  readonly service: string;
  readonly method: string;
  readonly code: string;
}

/** What is counted of calls. */
export interface RpcMetrics {
  readonly inFlight: { inc(labels: Omit<RpcLabels, 'code'>): void; dec(labels: Omit<RpcLabels, 'code'>): void };
  observe(labels: RpcLabels, seconds: number): void;
}

/** Metrics of the calls that a server takes: rpc_server_requests_total, _duration_seconds and _in_flight. */
export function createRpcMetrics(register: Registry): RpcMetrics {
  return metrics(register, 'rpc_server', 'Calls taken');
}

/** Metrics of the calls that a client makes: rpc_client_requests_total, _duration_seconds and _in_flight. */
export function createRpcClientMetrics(register: Registry): RpcMetrics {
  return metrics(register, 'rpc_client', 'Calls made');
}

function metrics(register: Registry, prefix: string, help: string): RpcMetrics {
  const total = once(register, `${prefix}_requests_total`, (name) => {
    return new Counter({ name, help: `${help}, by code.`, labelNames, registers: [register] });
  });
  const duration = once(register, `${prefix}_duration_seconds`, (name) => {
    return new Histogram({
      name,
      help: `${help}: seconds from the headers to the end.`,
      labelNames,
      buckets: secondsBuckets,
      registers: [register],
    });
  });
  const inFlight = once(register, `${prefix}_in_flight`, (name) => {
    return new Gauge({ name, help: `${help} and not ended.`, labelNames: callLabelNames, registers: [register] });
  });
  return {
    inFlight: { inc: (labels) => inFlight.inc({ ...labels }), dec: (labels) => inFlight.dec({ ...labels }) },
    observe(labels, seconds) {
      total.inc({ ...labels });
      duration.observe({ ...labels }, seconds);
    },
  };
}

// Several clients of one service share its registry, which takes every name once.
const made = new WeakMap<Registry, Map<string, unknown>>();

function once<M>(register: Registry, name: string, make: (name: string) => M): M {
  const known = made.get(register) ?? new Map<string, unknown>();
  made.set(register, known);
  const metric = known.get(name) ?? make(name);
  known.set(name, metric);
  return metric as M;
}
