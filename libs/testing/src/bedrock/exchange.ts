/** HTTP/2 in clear text, as the clients of Bedrock's SDK speak it to an `http://` endpoint; and one request on it. */
import { once } from 'node:events';
import { constants, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';

/** A request, and what can be done to it. After the client has left nothing does anything any more. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Aborts when the client leaves before the answer is complete. */
  readonly gone: AbortSignal;
  /** Undefined when it is longer. */
  readBody(maxBytes: number): Promise<Buffer | undefined>;
  head(status: number, headers: Readonly<Record<string, string>>): void;
  /** Resolves when they are sent. */
  write(bytes: Uint8Array): Promise<void>;
  end(bytes?: Uint8Array): void;
  /** Resets this stream alone. */
  reset(): void;
  /** Resets the TCP connection. */
  cut(): void;
  /** Asks the client to use another connection for what comes next. */
  goAway(): void;
}

export interface Http2Port {
  readonly endpoint: string;
  /** Connections that were opened so far. */
  connections(): number;
  /** Breaks off whatever is still open. */
  close(): Promise<void>;
}

const maxConcurrentStreams = 1_000;

export async function openHttp2Port(
  options: { readonly host: string; readonly port: number },
  serve: (exchange: Exchange) => void,
): Promise<Http2Port> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ settings: { maxConcurrentStreams } });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  server.on('session', (session) => {
    session.on('error', () => {
      session.destroy();
    });
  });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream, headers) => {
    const port = stream.session?.socket.remotePort;
    serve(createExchange(stream, headers, () => [...sockets].find((socket) => socket.remotePort === port)));
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://${options.host}:${String(port)}`,
    connections: () => connections,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function createExchange(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  socketOf: () => Socket | undefined,
): Exchange {
  const gone = new AbortController();
  let over = false;
  stream.on('error', () => undefined);
  stream.once('close', () => {
    if (!over) gone.abort();
    over = true;
  });
  const unlessOver = (work: () => void): void => {
    if (!over && !stream.destroyed) work();
  };
  return {
    method: headers[':method'] ?? '',
    path: headers[':path'] ?? '',
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    gone: gone.signal,
    readBody: (maxBytes) => readBody(stream, maxBytes),
    head(status, answerHeaders) {
      unlessOver(() => {
        stream.respond({ ':status': status, ...answerHeaders });
      });
    },
    write(bytes) {
      if (over || stream.destroyed) return Promise.resolve();
      // Called as well when the stream is destroyed before.
      return new Promise((resolve) => {
        stream.write(bytes, () => {
          resolve();
        });
      });
    },
    end(bytes) {
      unlessOver(() => {
        over = true;
        stream.end(bytes);
      });
    },
    reset() {
      unlessOver(() => {
        over = true;
        stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      });
    },
    cut() {
      over = true;
      socketOf()?.resetAndDestroy();
    },
    goAway() {
      stream.session?.close();
    },
  };
}

async function readBody(stream: ServerHttp2Stream, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      stream.resume();
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
