import multipart from '@fastify/multipart';
import rateLimit from '@fastify/rate-limit';
import { AppError, createSlots, createStreamMemory, tenantShare } from '@wardstone/rpc';
import { Gauge } from '@wardstone/telemetry';
import { type FastifyInstance, LogController, fastify } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { v7 as uuidv7 } from 'uuid';
import { createAdmission } from './auth/admission.ts';
import { createRateLimiter } from './auth/rate-limit.ts';
import type { GatewayDeps } from './deps.ts';
import { observe } from './http/observe.ts';
import { refuseBadConnections, refuseUnknownPaths, refuseWithProblems, sendProblem } from './http/refuse.ts';
import { requestIdPattern } from './http/request-id.ts';
import { decorateRequests } from './http/request-state.ts';
import { allowOrigins, securityHeaders, setSecurityHeaders } from './http/security-headers.ts';
import { registerDocs } from './openapi/docs.ts';
import { registerRoutes } from './register-routes.ts';
import { allRoutes } from './routes/index.ts';
import { createReadiness, registerHealth } from './routes/operations.ts';

/** A gateway, ready to listen. */
export interface Gateway {
  readonly app: FastifyInstance;
  /** Everything that is served, as `METHOD path-template`. */
  readonly served: readonly string[];
  /** Drains and stops: streams are told to come again, calls in flight may end, within the configured time. */
  close(): Promise<void>;
}

const maxHeaderBytes = 16 * 1024;
const maxHeaders = 100;
/** Node looks for slow clients this often. */
const slownessCheckMs = 2_000;
const slotRetryMs = 2_000;
/** JSON uploads lie in memory whole, so there are few places: no tenant has all of them. */
const jsonSharePercent = 50;

/** Makes the HTTP server with everything on it. Thrown: Error when a route's RPC declares no permission. */
export async function createGateway(deps: GatewayDeps): Promise<Gateway> {
  const { telemetry, limits } = deps;
  const draining = new AbortController();
  const app = createServer(deps);
  const served = listServed(app);
  decorateRequests(app);
  observe(app, telemetry);
  setSecurityHeaders(app);
  refuseWithProblems(app, telemetry);
  allowOrigins(app, deps.corsOrigins);
  refuseUnknownPaths(app);
  await app.register(rateLimit, { global: false });
  await app.register(multipart, { limits: { fileSize: limits.uploadMaxBytes } });

  const slots = {
    streams: createSlots({ maxPerKey: limits.streamsPerTenant, retryAfterMs: slotRetryMs }),
    uploads: createSlots({ maxPerKey: limits.uploadsPerTenant, retryAfterMs: slotRetryMs }),
    jsonUploads: createSlots({ ...tenantShare(limits.jsonUploads, jsonSharePercent), retryAfterMs: slotRetryMs }),
  };
  measureSlots(deps, slots);
  const admission = createAdmission({
    ...deps,
    limiter: createRateLimiter(app, deps.rateLimits),
    log: telemetry.log,
  });
  const routes = allRoutes({ ...deps, ...slots, streamMemory: createStreamMemory() });
  registerRoutes(app, routes, { admission, limits, draining: draining.signal });
  await registerDocs(app, routes, deps.publicUrl);
  const checks = { identityProvider: deps.verifyAccessToken.needsKeys, peers: deps.peers };
  registerHealth(app, createReadiness(checks, telemetry.log), draining.signal);
  await app.ready();

  return {
    app,
    served,
    close: async () => {
      draining.abort(new AppError('SERVICE_UNAVAILABLE'));
      const force = setTimeout(() => app.server.closeAllConnections(), limits.drainTimeoutMs);
      try {
        await app.close();
        await admission.settled();
      } finally {
        clearTimeout(force);
      }
    },
  };
}

function createServer({ telemetry, limits, trustedProxies }: GatewayDeps): FastifyInstance {
  const app = fastify({
    http: {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: slownessCheckMs,
    },
    requestTimeout: limits.transferTimeoutMs,
    // A connection may be silent for as long as an answer may take, and a little longer.
    connectionTimeout: Math.max(limits.answerTimeoutMs, limits.idleTimeoutMs) + slownessCheckMs,
    bodyLimit: limits.jsonUploadMaxBytes,
    routerOptions: { maxParamLength: maxHeaderBytes },
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    requestIdHeader: false,
    genReqId: requestIdOf,
    // One line per request is written by observe(), by route template; Fastify's own lines hold paths.
    logController: new LogController({ disableRequestLogging: true }),
    return503OnClosing: false,
    clientErrorHandler: refuseBadConnections,
    frameworkErrors: (_error, request, reply) => {
      reply.headers(securityHeaders).header('X-Request-Id', request.id);
      void sendProblem(request, reply, new AppError('NOT_FOUND'));
    },
  });
  app.server.maxHeadersCount = maxHeaders;
  app.addHook('onClose', () => telemetry.log.info('drained'));
  return app;
}

function listServed(app: FastifyInstance): readonly string[] {
  const served: string[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    served.push(...[method].flat().map((name) => `${name} ${url.replace(/:(\w+)/g, '{$1}')}`));
  });
  return served;
}

/** The client's own request id when it is a plain one, so that its logs and ours can be laid side by side. */
function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && requestIdPattern.test(given) ? given : uuidv7();
}

function measureSlots({ telemetry }: GatewayDeps, slots: Readonly<Record<string, { taken(): number }>>): void {
  const gauge: Gauge = new Gauge({
    name: 'http_going_on',
    help: 'Event streams and uploads that are going on.',
    labelNames: ['kind'],
    registers: [telemetry.metrics],
    collect: () => {
      for (const [kind, { taken }] of Object.entries(slots)) gauge.set({ kind }, taken());
    },
  });
}
