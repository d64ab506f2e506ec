import { createServer, connect, type Server, type Socket } from 'node:net';
import type { QueueBackend } from '../../src/index.ts';

/** A TCP relay in front of a backend that can be cut and mended, as a server that restarts or a network that fails. */
export interface CutProxy {
  readonly backend: QueueBackend;
  /** Ends every connection and refuses new ones. */
  cut(): Promise<void>;
  /** Ends every connection, and every new one as soon as it is made: a server that is there but does not serve. */
  hangUp(): void;
  /** Connections ended by hangUp so far. */
  hungUp(): number;
  mend(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a relay to the backend. */
export async function cutProxy(backend: QueueBackend): Promise<CutProxy> {
  const url = new URL('postgresUrl' in backend ? backend.postgresUrl : backend.redisUrl);
  const target = { host: url.hostname, port: Number(url.port) };
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = 0;
  let hangingUp = false;
  let hungUp = 0;

  async function listen(): Promise<void> {
    hangingUp = false;
    if (server !== undefined) return;
    const next = createServer((client) => {
      if (hangingUp) {
        hungUp += 1;
        client.destroy();
        return;
      }
      const upstream = connect(target);
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      client.pipe(upstream).pipe(client);
    });
    await new Promise<void>((resolve) => next.listen(port, '127.0.0.1', resolve));
    const address = next.address();
    if (address !== null && typeof address === 'object') port = address.port;
    server = next;
  }

  async function cut(): Promise<void> {
    const last = server;
    server = undefined;
    for (const socket of sockets) socket.destroy();
    if (last !== undefined) await new Promise<void>((resolve) => last.close(() => resolve()));
  }

  await listen();
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    backend:
      'postgresUrl' in backend
        ? { postgresUrl: url.href }
        : { redisUrl: url.href, ...(backend.prefix === undefined ? {} : { prefix: backend.prefix }) },
    cut,
    hangUp: () => {
      hangingUp = true;
      for (const socket of sockets) socket.destroy();
    },
    hungUp: () => hungUp,
    mend: listen,
    close: cut,
  };
}
