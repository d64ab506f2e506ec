/** A TCP proxy in front of Postgres that loses a COMMIT, or the answer to it. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Where the connection is cut: before the server has seen the COMMIT, or after it has applied it. */
export type Cut = 'before' | 'after';

export interface CommitProxy {
  /** The URL given, through the proxy. */
  readonly url: string;
  /** Cuts the connection at the next COMMIT of a transaction in whose statements `holding` stands. Once. */
  cutAt(cut: Cut, holding: string): void;
  /** How many connections were cut. */
  readonly cuts: number;
  close(): Promise<void>;
}

/** A simple query as it stands in the protocol: its text, and a zero byte. */
const commit = 'COMMIT\0';
const begin = 'START TRANSACTION';

export async function openCommitProxy(databaseUrl: string): Promise<CommitProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let wanted: { readonly cut: Cut; readonly holding: string } | undefined;
  let cuts = 0;

  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let committing = false;
    let transaction = '';
    const cut = (): void => {
      cuts += 1;
      client.destroy();
      upstream.destroy();
    };
    for (const [socket, peer] of [[client, upstream] as const, [upstream, client] as const]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      // A cut connection raises errors on both sides; what they mean is seen by who uses it.
      socket.on('error', () => peer.destroy());
      socket.once('close', () => {
        sockets.delete(socket);
        peer.destroy();
      });
    }
    client.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      transaction = text.includes(begin) ? text : transaction + text;
      if (wanted !== undefined && text.includes(commit) && transaction.includes(wanted.holding)) {
        committing = wanted.cut === 'after';
        wanted = undefined;
        if (!committing) {
          cut();
          return;
        }
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      // The server answers once it has committed; the answer is what gets lost.
      if (committing) cut();
      else client.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(address.port);
  return {
    url: url.href,
    cutAt(at, holding) {
      wanted = { cut: at, holding };
    },
    get cuts() {
      return cuts;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
