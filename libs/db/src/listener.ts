import { identifier } from './row-level-security.ts';
import { SteadyClient } from './steady-client.ts';

/** One connection for all of a database's LISTENs. */
export interface Listener {
  listen(channel: string, onMessage: (payload: string) => void, onReconnect?: () => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

interface Subscription {
  readonly onMessage: (payload: string) => void;
  readonly onReconnect: (() => void) | undefined;
}

const connectTimeoutMs = 5_000;
const keepAliveInitialDelayMs = 10_000;
const firstRetryMs = 100;
const maxRetryMs = 5_000;

/** Connects with the first subscription; a lost connection is made again, with growing pauses, until it is closed. */
export function createListener(options: { readonly url: string; readonly applicationName: string }): Listener {
  const subscriptions = new Map<string, Set<Subscription>>();
  let client: SteadyClient | undefined;
  let connecting: Promise<void> | undefined;
  let retryTimer: NodeJS.Timeout | undefined;
  let closed = false;

  function connect(): Promise<void> {
    connecting ??= connectClient().finally(() => {
      connecting = undefined;
    });
    return connecting;
  }

  async function connectClient(): Promise<void> {
    const next = new SteadyClient({
      connectionString: options.url,
      application_name: options.applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveInitialDelayMs,
    });
    next.on('error', () => lost(next));
    next.on('end', () => lost(next));
    next.on('notification', ({ channel, payload }) => {
      for (const { onMessage } of subscriptions.get(channel) ?? []) onMessage(payload ?? '');
    });
    try {
      await next.connect();
      for (const channel of subscriptions.keys()) await next.query(`listen ${identifier(channel)}`);
    } catch (error) {
      await next.end().catch(() => undefined);
      throw error;
    }
    client = next;
    if (closed) await next.end();
  }

  function lost(which: SteadyClient): void {
    if (client !== which) return;
    client = undefined;
    void which.end().catch(() => undefined);
    reconnectAfter(firstRetryMs);
  }

  function reconnectAfter(delayMs: number): void {
    if (closed || subscriptions.size === 0 || retryTimer !== undefined) return;
    retryTimer = setTimeout(() => {
      retryTimer = undefined;
      connect().then(
        () => {
          for (const set of subscriptions.values()) for (const { onReconnect } of set) onReconnect?.();
        },
        () => reconnectAfter(Math.min(delayMs * 2, maxRetryMs)),
      );
    }, delayMs);
  }

  async function subscribe(channel: string): Promise<void> {
    if (client !== undefined) {
      await client.query(`listen ${identifier(channel)}`);
      return;
    }
    if (retryTimer !== undefined) return;
    await connect();
  }

  return {
    listen: async (channel, onMessage, onReconnect) => {
      identifier(channel);
      const subscription: Subscription = { onMessage, onReconnect };
      const set = subscriptions.get(channel) ?? new Set();
      subscriptions.set(channel, set.add(subscription));
      // A server that is away now is as good as one that goes away later: the loop reaches it.
      await subscribe(channel).catch(() => reconnectAfter(firstRetryMs));
      return async () => {
        set.delete(subscription);
        if (set.size > 0 || subscriptions.get(channel) !== set) return;
        subscriptions.delete(channel);
        await client?.query(`unlisten ${identifier(channel)}`).catch(() => undefined);
      };
    },
    close: async () => {
      closed = true;
      clearTimeout(retryTimer);
      subscriptions.clear();
      await connecting?.catch(() => undefined);
      const last = client;
      client = undefined;
      await last?.end().catch(() => undefined);
    },
  };
}
