import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import { parentContext, requestContext, type Telemetry } from '@wardstone/telemetry';
import { v7 as uuidv7 } from 'uuid';
import { AppError } from '../app-error.ts';
import { setDraining } from '../call.ts';
import { specOf } from '../reasons.ts';
import { completeError } from '../to-wire.ts';
import { type CallRecord, setRecord } from './call-record.ts';
import type { ChainOptions, GateStep } from './index.ts';
import type { RpcMetrics } from './metrics.ts';
import { responseBoundOf } from './response-bound.ts';

const requestIdPattern = /^[A-Za-z0-9_.-]{1,128}$/;

/**
 * Begins the record of a call: request id (taken over when valid, else a new UUIDv7), span (continuing the caller's W3C
 * trace), deadline, metrics. The record ends with the call however it ends, also when Connect refuses it before any
 * interceptor runs (a body that is too large or does not parse).
 */
export function identify(options: ChainOptions, metrics: RpcMetrics): GateStep {
  const { telemetry } = options;
  return (context) => {
    const startedAt = performance.now();
    const requestId = requestIdOf(context);
    const parent = parentContext(context.requestHeader.get('traceparent'));
    const labels = { service: context.service.typeName, method: context.method.name };
    const span = telemetry.tracer.startSpan(
      `${labels.service}/${labels.method}`,
      { kind: SpanKind.SERVER, attributes: spanAttributes(context, requestId) },
      parent,
    );
    const record: CallRecord = {
      requestId,
      span,
      traceContext: trace.setSpan(parent, span),
      log: telemetry.log,
      ...deadline(context, options, (passed) => (record.failure ??= passed)),
      logContext: { requestId },
      failure: undefined,
      answered: false,
    };
    setRecord(context.values, record);
    responseBoundOf(context.values)(record.timeoutMs());
    setDraining(context.values, options.draining);
    context.responseHeader.set('x-request-id', requestId);
    metrics.inFlight.inc(labels);
    // Connect aborts this signal exactly once, at the end of every call, with the error if there was one, and before it
    // writes that error: the last moment to give the error its reason.
    context.signal.addEventListener(
      'abort',
      () => {
        const failure = failureOf(record, context.signal.reason);
        const code = failure ? Code[failure.code] : 'Ok';
        metrics.inFlight.dec(labels);
        metrics.observe({ ...labels, code }, (performance.now() - startedAt) / 1_000);
        endSpan(span, failure);
        logEnd(telemetry, record, context, { code, durationMs: Math.round(performance.now() - startedAt) }, failure);
      },
      { once: true },
    );
  };
}

function requestIdOf(context: HandlerContext): string {
  const given = context.requestHeader.get('x-request-id');
  return given !== null && requestIdPattern.test(given) ? given : uuidv7();
}

function spanAttributes(context: HandlerContext, requestId: string): Record<string, string> {
  return {
    'rpc.system': context.protocolName === 'connect' ? 'connect_rpc' : 'grpc',
    'rpc.service': context.service.typeName,
    'rpc.method': context.method.name,
    'wardstone.request_id': requestId,
  };
}

function deadline(
  context: HandlerContext,
  options: ChainOptions,
  onPassed: (failure: AppError) => void,
): Pick<CallRecord, 'signal' | 'timeoutMs'> {
  const asked = context.timeoutMs();
  const usual = context.method.methodKind === 'unary' ? options.defaultTimeoutMs : options.maxTimeoutMs;
  const boundMs = Math.min(asked ?? usual, options.maxTimeoutMs);
  const endsAt = performance.now() + boundMs;
  const timer = new AbortController();
  const pass = () => {
    const failure = new AppError('DEADLINE_EXCEEDED');
    // Said here, because a caller that does not read is thrown out before the error comes to mapErrors.
    onPassed(failure);
    timer.abort(failure);
  };
  const timeout = setTimeout(pass, Math.max(0, boundMs));
  // A call alone does not keep a program running that has closed its server.
  timeout.unref();
  context.signal.addEventListener('abort', () => clearTimeout(timeout), { once: true });
  return {
    signal: AbortSignal.any([context.signal, timer.signal]),
    timeoutMs: () => Math.max(0, endsAt - performance.now()),
  };
}

function failureOf(record: CallRecord, reason: unknown): AppError | undefined {
  if (reason instanceof ConnectError) completeError(reason);
  if (record.failure) return record.failure;
  if (reason instanceof ConnectError) return AppError.from(reason);
  return record.answered ? undefined : new AppError('CANCELLED');
}

function endSpan(span: CallRecord['span'], failure: AppError | undefined): void {
  if (failure) {
    span.setAttribute('error.type', failure.reason);
    // Who calls wrongly is told so; a span is marked as failed when the fault is ours.
    if (specOf(failure.reason).status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

function logEnd(
  telemetry: Telemetry,
  record: CallRecord,
  context: HandlerContext,
  fields: { code: string; durationMs: number },
  failure: AppError | undefined,
): void {
  const line = {
    procedure: `${context.service.typeName}/${context.method.name}`,
    protocol: context.protocolName,
    ...fields,
    ...(failure && { reason: failure.reason }),
  };
  requestContext.run(record.logContext, () => {
    // Health is asked every few seconds by everybody; its lines would hide the others.
    if (context.service.typeName.startsWith('grpc.')) telemetry.log.debug(line, 'call ended');
    else telemetry.log.info(line, 'call ended');
  });
}
