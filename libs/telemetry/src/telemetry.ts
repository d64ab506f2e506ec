import { type Tracer, context, propagation } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  SimpleSpanProcessor,
  type SpanExporter,
  type SpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { DestinationStream, Logger } from 'pino';
import { Registry, collectDefaultMetrics } from 'prom-client';
import { createLogger } from './logger.ts';

/** Logs, metrics and traces of one service. */
export interface Telemetry {
  readonly log: Logger;
  readonly metrics: Registry;
  readonly tracer: Tracer;
  /** Sends what is buffered, within a bound. Called last, after the server and the workers have closed. */
  shutdown(): Promise<void>;
}

/** What createTelemetry needs. */
export interface TelemetryOptions {
  /** The service's name, as in its tokens. */
  readonly service: string;
  readonly version: string;
  readonly logLevel: string;
  /** Base URL of an OpenTelemetry collector (OTLP over HTTP); without it spans are made but not sent. */
  readonly otlpUrl?: string | undefined;
  /** Takes every span at once instead of the collector; for tests. */
  readonly spanExporter?: SpanExporter | undefined;
  /** Where log lines go; standard output by default. */
  readonly destination?: DestinationStream | undefined;
}

const shutdownTimeoutMs = 3_000;

/** Makes a service's logs, metrics and traces. */
export function createTelemetry(options: TelemetryOptions): Telemetry {
  // OpenTelemetry keeps these two per process. Setting them again is refused by the API, and is the same setting anyway.
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());

  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': options.service, 'service.version': options.version }),
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: spanProcessors(options),
  });
  const metrics = new Registry();
  metrics.setDefaultLabels({ service_name: options.service });
  collectDefaultMetrics({ register: metrics });

  return {
    log: createLogger(options),
    metrics,
    tracer: provider.getTracer(options.service, options.version),
    async shutdown() {
      const timeout = AbortSignal.timeout(shutdownTimeoutMs);
      const timedOut = new Promise<void>((resolve) => timeout.addEventListener('abort', () => resolve()));
      // A collector that is away must not keep a service from ending, nor make its end look like a failure.
      await Promise.race([provider.shutdown().catch(() => undefined), timedOut]);
      metrics.clear();
    },
  };
}

function spanProcessors(options: TelemetryOptions): SpanProcessor[] {
  if (options.spanExporter) return [new SimpleSpanProcessor({ exporter: options.spanExporter })];
  if (options.otlpUrl === undefined) return [];
  const exporter = new OTLPTraceExporter({ url: `${options.otlpUrl}/v1/traces`, timeoutMillis: 5_000 });
  return [new BatchSpanProcessor({ exporter, maxQueueSize: 2_048, scheduledDelayMillis: 1_000 })];
}
