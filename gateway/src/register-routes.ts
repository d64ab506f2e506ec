import { AppError, asPrincipal } from '@wardstone/rpc';
import { requestContext } from '@wardstone/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import type { Admission } from './auth/admission.ts';
import { requiredPermission } from './auth/permission.ts';
import type { Limits } from './config.ts';
import { preferred } from './http/accept.ts';
import { whileAnswering } from './http/client-leaves.ts';
import { eventStreamMediaType } from './http/event-stream.ts';
import { isJson, isMultipart, parseJson } from './http/json-body.ts';
import { readBody } from './http/read-body.ts';
import { asUpstreamError } from './problem.ts';
import { type RawCall, type Route, isStream } from './route.ts';

/** What the routes run in. */
export interface RouteEnvironment {
  readonly admission: Admission;
  readonly limits: Limits;
  /** Aborts when the gateway drains: streams end then. */
  readonly draining: AbortSignal;
}

const jsonMediaType = 'application/json';
/** Of a body where none is needed: an empty object, or what is refused by the name of its fields. */
const maxNeedlessBytes = 16 * 1024;

/**
 * Serves the operations. Each inherits the permission of its RPC.
 * Thrown: Error when an operation's RPC declares no permission, or does not accept the gateway.
 */
export function registerRoutes(app: FastifyInstance, routes: readonly Route[], env: RouteEnvironment): void {
  app.removeContentTypeParser([jsonMediaType, 'text/plain']);
  app.addContentTypeParser(jsonMediaType, async (request: FastifyRequest, payload: IncomingMessage) => {
    const needless = { maxBytes: maxNeedlessBytes, timeoutMs: env.limits.bodyTimeoutMs };
    const bounds = request.routeOptions.config.operation?.body ?? needless;
    return parseJson(await readBody(payload, bounds));
  });
  for (const operation of routes) registerRoute(app, operation, env);
}

function registerRoute(app: FastifyInstance, operation: Route, env: RouteEnvironment): void {
  const permission = requiredPermission(operation.access);
  const offered = mediaTypesOf(operation);
  app.route({
    method: operation.method,
    url: operation.path.replace(/\{(\w+)\}/g, ':$1'),
    // A HEAD of a stream would start the work that the stream is about.
    exposeHeadRoute: operation.method === 'GET' && operation.success.streams === undefined,
    config: { operation },
    onRequest: [
      (request, reply, done) => {
        env.admission.admit(request, reply, permission).then(
          (principal) => {
            request.principal = principal;
            const { subject, tenantId } = principal;
            requestContext.run({ requestId: request.id, caller: 'client', subject, tenantId }, done);
          },
          (error: unknown) => done(error as Error),
        );
      },
      (request, reply, done) => {
        needsAcceptable(request, offered);
        needsReadableBody(request, operation);
        holdBody(request, reply, operation);
        done();
      },
    ],
    handler: async (request, reply) => {
      try {
        return await answer(operation, callOf(request, reply, operation, env), reply);
      } catch (error) {
        throw asUpstreamError(error);
      }
    },
  });
}

async function answer(operation: Route, call: RawCall, reply: FastifyReply): Promise<FastifyReply> {
  const result = await operation.handle(call);
  // A handler that has set a status of its own (304) has answered already, without a body.
  if (reply.statusCode !== 200) return reply.send();
  reply.code(operation.success.status);
  if (result === undefined) return reply.send();
  if (isStream(result)) return reply.send(result);
  return reply.header('Content-Type', `${jsonMediaType}; charset=utf-8`).send(JSON.stringify(result));
}

function callOf(
  request: FastifyRequest,
  reply: FastifyReply,
  operation: Route,
  { limits, draining }: RouteEnvironment,
): RawCall {
  const { principal, id: requestId } = request;
  if (principal === undefined)
    throw new AppError('INTERNAL', { cause: new Error('a route was reached without a principal') });
  const chosen = operation.mediaTypeOf?.(request.body);
  const accepted = chosen ?? preferred(request.headers.accept, mediaTypesOf(operation)) ?? '';
  // Event streams have no end of their own to wait for; everything else may come to its end while the gateway drains.
  const signal = whileAnswering(reply, accepted === eventStreamMediaType ? draining : never);
  return {
    principal,
    requestId,
    signal,
    accepted,
    request,
    reply,
    as: (timeoutMs = limits.callTimeoutMs) => asPrincipal(principal, { requestId, signal, timeoutMs }),
  };
}

const never = new AbortController().signal;

/** The media types of an operation's answers, the usual one first; none where any type may come. */
function mediaTypesOf({ success }: Route): string[] {
  const streams = Object.keys(success.streams ?? {});
  if (streams.includes('*')) return [];
  return [...(success.json === undefined ? [] : [jsonMediaType]), ...streams];
}

function needsAcceptable(request: FastifyRequest, offered: readonly string[]): void {
  if (offered.length === 0 || preferred(request.headers.accept, offered) !== undefined) return;
  throw new AppError('NOT_ACCEPTABLE');
}

/** Takes the place of a large body in memory before any of it is read; it is given back with the answer. */
function holdBody({ headers, principal }: FastifyRequest, reply: FastifyReply, { body }: Route): void {
  if (body?.held === undefined || !isJson(headers['content-type'])) return;
  reply.raw.once('close', body.held.take(principal?.tenantId ?? ''));
}

function needsReadableBody({ headers }: FastifyRequest, { method, body }: Route): void {
  const isSent = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (method === 'GET' || (body === undefined && !isSent)) return;
  const encoding = headers['content-encoding'];
  const isPlain = encoding === undefined || encoding.toLowerCase() === 'identity';
  const contentType = headers['content-type'];
  const isReadable = isJson(contentType) || (body?.multipart !== undefined && isMultipart(contentType));
  if (!isPlain || !isReadable) throw new AppError('UNSUPPORTED_MEDIA_TYPE');
}
