import { AppError, type Reason } from '@wardstone/rpc';
import type { Telemetry } from '@wardstone/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import { STATUS_CODES } from 'node:http';
import { v7 as uuidv7 } from 'uuid';
import { challenge } from '../auth/bearer.ts';
import { asAppError, problemMediaType, retryAfterSeconds, toOpenAiError, toProblem } from '../problem.ts';
import { routeLabel } from './observe.ts';

/** After a refusal, how long a client may go on sending a body that nobody reads before it is cut off. */
const lingerMs = 5_000;

/** Answers every error of a route or of the framework as problem+json, and logs those that are ours. */
export function refuseWithProblems(app: FastifyInstance, telemetry: Telemetry): void {
  app.setErrorHandler((error, request, reply) => {
    const refusal = asAppError(error);
    if (refusal.status >= 500) {
      telemetry.log.error({ err: refusal, reason: refusal.reason, route: routeLabel(request) }, 'request failed');
    }
    return sendProblem(request, reply, refusal);
  });
  app.addHook('onResponse', (request, _reply, done) => {
    if (request.raw.complete === false) cutOffLater(request);
    done();
  });
}

/** Writes a problem, with the headers that go with its reason. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, error: AppError): FastifyReply {
  request.refusedWith = error.reason;
  const authenticate = challenge(error.reason);
  if (authenticate !== undefined) reply.header('WWW-Authenticate', authenticate);
  const retryAfter = retryAfterSeconds(error);
  if (retryAfter !== undefined) reply.header('Retry-After', retryAfter);
  // As bytes: for text Fastify would add a charset, which this media type does not have.
  const problem = toProblem(error, request.id);
  const isOpenAi = request.routeOptions.config.operation?.tag === 'Completions';
  const body = Buffer.from(JSON.stringify(isOpenAi ? { ...problem, error: toOpenAiError(problem) } : problem));
  return reply.code(error.status).header('Content-Type', problemMediaType).send(body);
}

/** Refuses paths that lead nowhere: 405 with Allow when another method would lead somewhere, 404 otherwise. */
export function refuseUnknownPaths(app: FastifyInstance): void {
  const templates: { readonly pattern: RegExp; readonly method: string }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    if (url.includes('*')) return;
    const pattern = new RegExp(`^${url.replace(/[.]/g, '\\.').replace(/:[^/]+/g, '[^/]+')}$`);
    for (const name of [method].flat()) templates.push({ pattern, method: name });
  });
  // Before the body is parsed: what leads nowhere is not read.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    const path = request.raw.url?.split('?', 1)[0] ?? '';
    const methods = templates.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
    if (methods.length === 0) return done(new AppError('NOT_FOUND'));
    reply.header('Allow', [...new Set(methods)].sort().join(', '));
    return done(new AppError('METHOD_NOT_ALLOWED'));
  });
  app.setNotFoundHandler(() => {
    throw new AppError('NOT_FOUND');
  });
}

/** Answers what is not HTTP, or too much or too slow of it, before there is a request; then closes the connection. */
export function refuseBadConnections(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = new AppError(connectionReason(error.code));
  const body = JSON.stringify(toProblem(refusal, uuidv7()));
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}`,
    `Content-Type: ${problemMediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function connectionReason(code: string | undefined): Reason {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'REQUEST_TIMEOUT';
  return code === 'HPE_HEADER_OVERFLOW' ? 'HEADERS_TOO_LARGE' : 'INVALID_ARGUMENT';
}

/** A refused upload is read and thrown away for a moment, so that the client gets to read its answer; not for ever. */
function cutOffLater(request: FastifyRequest): void {
  const { raw } = request;
  const timer = setTimeout(() => raw.socket.destroy(), lingerMs);
  raw.once('close', () => clearTimeout(timer));
  raw.socket.once('close', () => clearTimeout(timer));
  raw.resume();
}
