import http2 from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';

/** Time-outs of a client's connection. */
export interface ConnectionOptions {
  /** How long connecting may take. Default 5 s. */
  readonly connectTimeoutMs?: number;
  /** A connection that was silent this long is pinged: while calls run on it, and before the next call uses it. Default 20 s. */
  readonly pingIntervalMs?: number;
  /** How long the answer to a ping may take. Default 5 s. */
  readonly pingTimeoutMs?: number;
  /** A connection without calls is closed after this. Default 5 min. */
  readonly idleTimeoutMs?: number;
}

interface Live {
  readonly session: http2.ClientHttp2Session;
  readonly connected: Promise<void>;
  /** No further call may use the session: it is closed, was told to go away, or does not answer. */
  retired: boolean;
  calls: number;
  aliveAt: number;
  pinging: Promise<boolean> | undefined;
}

// Each round uses another connection; a server that closes them all at once is down.
const maxAttempts = 3;

// Node counts what a cancelled call had still to write as held for as long as the connection lives, and refuses calls when
// the count reaches this (10 MB if not set). The count is no memory: what is really held is bounded by messages and windows.
const maxSessionMemoryMb = 1_024;

/**
 * One HTTP/2 connection to a server, made when it is needed and made again when it is gone. Used as the session manager of
 * connect-node's transports instead of theirs, which can end the process when an idle connection is told to go away
 * (connect-es issue 1768): there, listeners are taken off a session that may still raise errors. Here, every session has a
 * listener from the first moment to the last.
 */
export class Connection {
  readonly authority: string;
  readonly #timeouts: Required<ConnectionOptions>;
  #live: Live | undefined;

  constructor(baseUrl: string, options: ConnectionOptions = {}) {
    this.authority = new URL(baseUrl).origin;
    this.#timeouts = {
      connectTimeoutMs: 5_000,
      pingIntervalMs: 20_000,
      pingTimeoutMs: 5_000,
      idleTimeoutMs: 5 * 60_000,
      ...options,
    };
  }

  /**
   * Opens a stream for a call. Nothing has been sent when this fails, so the call may be made again whatever it does.
   * Thrown: ConnectError unavailable.
   */
  async request(
    method: string,
    path: string,
    headers: http2.OutgoingHttpHeaders,
    options: Omit<http2.ClientSessionRequestOptions, 'signal'>,
  ): Promise<http2.ClientHttp2Stream> {
    let cause: unknown;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const live = this.#usable();
      try {
        await live.connected;
        await this.#verify(live);
        if (live.retired) continue;
        const stream = live.session.request({ ...headers, ':method': method, ':path': path }, options);
        this.#follow(live, stream);
        return stream;
      } catch (error) {
        cause = error;
        retire(live);
        // A server that does not take connections is not asked again and again within one call.
        if (live.session.connecting || isRefused(error)) break;
      }
    }
    throw new ConnectError('the service cannot be reached', Code.Unavailable, undefined, undefined, cause);
  }

  /** Called by the transport for every byte that arrives. */
  notifyResponseByteRead(): void {
    if (this.#live) this.#live.aliveAt = performance.now();
  }

  /** Closes the connection once the calls on it have ended. The next call opens another. */
  close(): void {
    if (this.#live) retire(this.#live);
  }

  #usable(): Live {
    if (!this.#live || this.#live.retired) this.#live = this.#open();
    return this.#live;
  }

  #open(): Live {
    const session = http2.connect(this.authority, {
      settings: { enablePush: false, initialWindowSize: 1024 * 1024 },
      maxSessionMemory: maxSessionMemoryMb,
    });
    const { promise: connected, resolve, reject } = Promise.withResolvers<void>();
    const live: Live = { session, connected, retired: false, calls: 0, aliveAt: performance.now(), pinging: undefined };
    const timer = setTimeout(
      () => session.destroy(new Error('connecting took too long')),
      this.#timeouts.connectTimeoutMs,
    );

    session.once('connect', () => {
      clearTimeout(timer);
      live.aliveAt = performance.now();
      // An idle connection does not keep the program running.
      if (live.calls === 0) session.unref();
      resolve();
    });
    // Never taken off: a session may raise an error long after anybody was interested in it.
    session.on('error', (error) => {
      live.retired = true;
      reject(error);
    });
    session.on('goaway', () => retire(live));
    session.once('close', () => {
      clearTimeout(timer);
      live.retired = true;
      reject(new Error('the connection was closed'));
    });
    session.setTimeout(this.#timeouts.idleTimeoutMs, () => {
      if (live.calls === 0) retire(live);
    });
    // Whoever waits sees the failure; when nobody waits (yet), it must not count as unhandled.
    connected.catch(() => undefined);
    return live;
  }

  /** After a long silence, asks whether the other side is still there before a call is entrusted to it. */
  async #verify(live: Live): Promise<void> {
    if (performance.now() - live.aliveAt < this.#timeouts.pingIntervalMs) return;
    if (!(await this.#ping(live))) live.session.destroy();
  }

  /** Whether the other side answers. One question at a time: calls on the connection share it. */
  #ping(live: Live): Promise<boolean> {
    live.pinging ??= this.#askOnce(live).finally(() => {
      live.pinging = undefined;
    });
    return live.pinging;
  }

  async #askOnce(live: Live): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), this.#timeouts.pingTimeoutMs);
    try {
      live.session.ping((error) => resolve(error === null));
    } catch {
      resolve(false);
    }
    const alive = await promise;
    clearTimeout(timer);
    if (alive) live.aliveAt = performance.now();
    else live.retired = true;
    return alive;
  }

  #follow(live: Live, stream: http2.ClientHttp2Stream): void {
    live.calls++;
    if (live.calls === 1) live.session.ref();
    // While a call runs, silence is broken by pings, so that a call on a dead connection fails in seconds.
    const beat = setInterval(() => {
      if (performance.now() - live.aliveAt < this.#timeouts.pingIntervalMs) return;
      void this.#ping(live).then((alive) => {
        if (!alive) live.session.destroy(new Error('the peer does not answer'));
      });
    }, this.#timeouts.pingIntervalMs);
    stream.once('response', () => {
      live.aliveAt = performance.now();
    });
    // A server may answer before it has read everything (a refused upload). Nobody will send the rest, so the stream ends too.
    stream.once('end', () => {
      if (!stream.writableEnded) stream.close(http2.constants.NGHTTP2_NO_ERROR);
    });
    // The transport listens too, but not after it has lost interest.
    stream.on('error', () => undefined);
    stream.once('close', () => {
      clearInterval(beat);
      live.calls--;
      // Said when either side's count (see maxSessionMemoryMb) is full. It never shrinks, so calls go elsewhere.
      if (stream.rstCode === http2.constants.NGHTTP2_ENHANCE_YOUR_CALM) retire(live);
      if (live.calls > 0) return;
      if (live.retired) retire(live);
      else live.session.unref();
    });
  }
}

function retire(live: Live): void {
  live.retired = true;
  if (live.session.destroyed) return;
  // Node closes a session after GOAWAY by itself, but not one that has no streams. Destroyed without an error, it raises none.
  if (live.calls === 0) live.session.destroy();
  else live.session.close();
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNREFUSED' || error.code === 'ENOTFOUND');
}
