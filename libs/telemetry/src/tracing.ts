import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  context,
  trace,
} from '@opentelemetry/api';
import { parseTraceParent } from '@opentelemetry/core';
import { describeError } from './describe-error.ts';

/** The running span as a W3C traceparent, for a job or a header; undefined outside of a span. */
export function currentTraceparent(): string | undefined {
  const span = trace.getActiveSpan()?.spanContext();
  if (!span || !trace.isSpanContextValid(span)) return undefined;
  return `00-${span.traceId}-${span.spanId}-${(span.traceFlags & 0xff).toString(16).padStart(2, '0')}`;
}

/** The context of a span whose parent is the given traceparent; a malformed or absent one makes a new trace. */
export function parentContext(traceparent: string | null | undefined): Context {
  const parent = traceparent ? parseTraceParent(traceparent) : null;
  return parent ? trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true }) : ROOT_CONTEXT;
}

/**
 * Runs work inside a span. The span ends with the work; when it fails, the span says so with the error's name and reason,
 * never with its message. With `parent`, the span continues that trace, otherwise the running one.
 */
export async function withSpan<T>(
  tracer: Tracer,
  name: string,
  attributes: Attributes,
  work: (span: Span) => Promise<T>,
  parent?: { readonly traceparent?: string | undefined; readonly kind?: SpanKind },
): Promise<T> {
  const from = parent?.traceparent === undefined ? context.active() : parentContext(parent.traceparent);
  const span = tracer.startSpan(name, { attributes, kind: parent?.kind ?? SpanKind.INTERNAL }, from);
  try {
    return await context.with(trace.setSpan(from, span), () => work(span));
  } catch (error) {
    markFailed(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Marks a span as failed without writing anything that could carry content. */
function markFailed(span: Span, error: unknown): void {
  const { name, reason } = describeError(error);
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.setAttribute('error.type', reason ?? name);
}
