import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from '@wardstone/telemetry';
import { AppError } from '../app-error.ts';
import type { ServerLimits } from './types.ts';

/** Serves a request of either protocol. */
export type NodeListener = (
  request: http.IncomingMessage | http2.Http2ServerRequest,
  response: http.ServerResponse | http2.Http2ServerResponse,
) => void;

/** A port that listens. */
export interface OnePort {
  readonly address: AddressInfo;
  /**
   * Takes no more connections, asks HTTP/2 peers to go away and HTTP/1 peers to close, and resolves when every connection
   * is gone.
   */
  stop(): Promise<void>;
  /** Breaks off whatever is still open. */
  destroy(): void;
}

// RFC 9113, 3.4: an HTTP/2 connection begins with "PRI * HTTP/2.0". No HTTP/1 method begins with "PRI".
const preface = Buffer.from('PRI');

/**
 * Opens one port for HTTP/2 in clear text with prior knowledge (gRPC) and HTTP/1.1 (Connect, gRPC-Web, metrics, probes).
 * The first three bytes of a connection say which it is; they are put back, and the connection goes to the server for it.
 */
export async function openOnePort(options: {
  readonly host: string;
  readonly port: number;
  readonly limits: ServerLimits;
  readonly log: Logger;
  readonly listener: NodeListener;
}): Promise<OnePort> {
  const { limits } = options;
  const sockets = new Set<Socket>();
  const sessions = new Set<http2.ServerHttp2Session>();
  let stopping = false;

  const h1 = createHttp1(options.listener, limits, () => stopping);
  const h2 = createHttp2(options.listener, limits);
  h2.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
    // Dead or silent peers. Calls that still run keep the connection until they end.
    session.setTimeout(limits.idleTimeoutMs, () => session.close());
    if (stopping) session.close();
  });

  // The HTTP/1 server listens, because its time-outs work only then; connections come to the sniffer first.
  const serveHttp1 = h1.listeners('connection');
  h1.removeAllListeners('connection');
  h1.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A peer that hangs up is no event; requests on the connection hear of it themselves.
    socket.on('error', () => socket.destroy());
    socket.setKeepAlive(true, 60_000);
    socket.setNoDelay(true);
    sniff(socket, limits.headersTimeoutMs, (isHttp2) => {
      if (isHttp2) h2.emit('connection', socket);
      else for (const serve of serveHttp1) serve.call(h1, socket);
    });
  });

  const address = await listen(h1, options.host, options.port);
  return {
    address,
    stop() {
      stopping = true;
      const closed = new Promise<void>((resolve) => h1.close(() => resolve()));
      for (const session of sessions) session.close();
      for (const socket of sockets) if (undecided.has(socket)) socket.destroy();
      return closed;
    },
    destroy() {
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const undecided = new WeakSet<Socket>();

function sniff(socket: Socket, timeoutMs: number, decide: (isHttp2: boolean) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  undecided.add(socket);
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  const onData = (chunk: Buffer) => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    if (seen.length < preface.length && preface.subarray(0, seen.length).equals(seen)) return;
    clearTimeout(timer);
    undecided.delete(socket);
    socket.off('data', onData);
    socket.off('close', onClose);
    // Paused until the right server has its own listeners on; then the bytes come again as if nobody had looked.
    socket.pause();
    socket.unshift(seen);
    const isHttp2 = preface.equals(seen.subarray(0, preface.length));
    decide(isHttp2);
    // The HTTP/2 server reads what is buffered by itself.
    if (!isHttp2) socket.resume();
  };
  const onClose = () => clearTimeout(timer);
  socket.on('data', onData);
  socket.once('close', onClose);
}

function createHttp1(listener: NodeListener, limits: ServerLimits, isStopping: () => boolean): http.Server {
  const server = http.createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: Math.min(limits.headersTimeoutMs, limits.maxTimeoutMs),
    requestTimeout: limits.maxTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: Math.min(5_000, limits.headersTimeoutMs),
    insecureHTTPParser: false,
  });
  server.maxConnections = limits.maxConnections;
  server.on('request', (request, response) => {
    if (isStopping()) response.setHeader('connection', 'close');
    response.once('close', () => {
      if (isStopping()) server.closeIdleConnections();
    });
    listener(request, response);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    return undefined;
  });
  return server;
}

function createHttp2(listener: NodeListener, limits: ServerLimits): http2.Http2Server {
  const server = http2.createServer({
    // In MB. Node never takes back what a cancelled response had still to write, and refuses calls when the count is full: a
    // low limit would wear a long-lived connection out. Memory is bounded by windows, streams and message sizes instead.
    maxSessionMemory: 1_024,
    maxHeaderListPairs: 128,
    settings: {
      maxConcurrentStreams: limits.maxConcurrentStreams,
      maxHeaderListSize: limits.maxHeaderBytes,
      initialWindowSize: 1024 * 1024,
      enablePush: false,
    },
  });
  server.on('sessionError', () => undefined);
  server.on('request', (request, response) => {
    // A stream that is reset raises errors on both; Connect listens to the request only while it reads.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    listener(request, response);
  });
  return server;
}

async function listen(server: http.Server, host: string, port: number): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', () => undefined);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new AppError('INTERNAL');
  return address;
}
