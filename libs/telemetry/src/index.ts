export { createTelemetry, type Telemetry, type TelemetryOptions } from './telemetry.ts';
export { requestContext, type RequestContext } from './request-context.ts';
export { currentTraceparent, parentContext, withSpan } from './tracing.ts';
export { describeError, type ErrorDescription } from './describe-error.ts';
export type { Logger } from 'pino';
export type { Attributes, Span, Tracer } from '@opentelemetry/api';
export type { SpanExporter } from '@opentelemetry/sdk-trace';
export { InMemorySpanExporter } from '@opentelemetry/sdk-trace';
export { Counter, Gauge, Histogram, Registry } from 'prom-client';
