import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { Counter, Histogram, type Span, type Telemetry, requestContext, withSpan } from '@wardstone/telemetry';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { answered } from './client-leaves.ts';

/** The path template of a request, for labels and logs: never the path itself, which holds ids. */
export function routeLabel(request: FastifyRequest): string {
  return request.routeOptions.config.operation?.path ?? request.routeOptions.url ?? 'none';
}

/** Gives every request a span, a log line and its place in the metrics. Must be the first hook. */
export function observe(app: FastifyInstance, telemetry: Telemetry): void {
  const duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the first byte of a request to the last byte of its answer, by route template.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300],
    registers: [telemetry.metrics],
  });
  const problems = new Counter({
    name: 'http_problems_total',
    help: 'Requests that were refused or failed, by reason.',
    labelNames: ['route', 'reason'],
    registers: [telemetry.metrics],
  });

  app.addHook('onRequest', (request, reply, done) => {
    const startedAt = performance.now();
    const method = request.raw.method ?? 'none';
    const route = routeLabel(request);
    const isAnswered = answered(reply);
    const follow = (span: Span): Promise<void> =>
      new Promise((resolve) => {
        reply.raw.once('close', () => {
          const seconds = (performance.now() - startedAt) / 1000;
          // 499, as proxies write it, when the client left before its answer was complete.
          const status = isAnswered() ? reply.raw.statusCode : 499;
          duration.observe({ method, route, status: String(status) }, seconds);
          if (request.refusedWith !== undefined) problems.inc({ route, reason: request.refusedWith });
          span.setAttribute('http.response.status_code', status);
          if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          writeLine(telemetry, request, { method, route, status, durationMs: Math.round(seconds * 1000) });
          resolve();
        });
        requestContext.run({ requestId: request.id, caller: 'client' }, done);
      });
    const attributes = { 'http.request.method': method, 'http.route': route };
    const parent = { traceparent: traceparentOf(request), kind: SpanKind.SERVER };
    void withSpan(telemetry.tracer, `${method} ${route}`, attributes, follow, parent);
  });
}

/** Ids only: who asked for what kind of thing, how it ended, and how long it took. */
function writeLine(
  telemetry: Telemetry,
  request: FastifyRequest,
  line: { method: string; route: string; status: number; durationMs: number },
): void {
  const { principal, refusedWith: reason } = request;
  const context = {
    requestId: request.id,
    tenantId: principal?.tenantId,
    subject: principal?.subject,
    caller: 'client',
  };
  requestContext.run(context, () => {
    // That a peer is down is told once, by who asks the peers; a health check that says so has not failed.
    const isHealth = request.routeOptions.config.isHealth === true;
    if (line.status >= 500 && !isHealth) telemetry.log.error({ ...line, reason }, 'request failed');
    else telemetry.log.info({ ...line, reason }, 'request');
  });
}

function traceparentOf(request: FastifyRequest): string | undefined {
  const header = request.headers['traceparent'];
  return typeof header === 'string' ? header : undefined;
}
