import type { Telemetry } from '@wardstone/telemetry';
import type { FastifyInstance } from 'fastify';

/** Asks every peer how it is. */
export interface Readiness {
  report(): Promise<{ readonly ready: boolean; readonly peers: Readonly<Record<string, 'up' | 'down'>> }>;
}

const cacheMs = 1_000;
const checkTimeoutMs = 2_000;

/**
 * Asks the peers, never more often than once a second and never twice at once, each within a bound. Ready means that every
 * peer is: the gateway holds nothing of its own, so that without a peer some of its operations cannot be answered.
 */
export function createReadiness(
  peers: Readonly<Record<string, () => Promise<void>>>,
  log: Pick<Telemetry['log'], 'info' | 'warn'>,
  now = () => performance.now(),
): Readiness {
  let downBefore = '';
  let asking: ReturnType<Readiness['report']> | undefined;
  let cached: { readonly at: number; readonly report: Awaited<ReturnType<Readiness['report']>> } | undefined;
  const askAll = async () => {
    const states = await Promise.all(
      Object.entries(peers).map(async ([name, check]) => [name, await ask(check)] as const),
    );
    const report = { ready: states.every(([, state]) => state === 'up'), peers: Object.fromEntries(states) };
    cached = { at: now(), report };
    tellChange(states.filter(([, state]) => state === 'down').map(([name]) => name));
    return report;
  };
  // Once for each change: whoever asks every second would fill the log with what is known.
  const tellChange = (down: readonly string[]): void => {
    const names = down.join(' ');
    if (names === downBefore) return;
    downBefore = names;
    if (down.length > 0) log.warn({ peer: down }, 'not ready: peers are down');
    else log.info('ready again');
  };
  return {
    report() {
      if (cached !== undefined && now() - cached.at < cacheMs) return Promise.resolve(cached.report);
      asking ??= askAll().finally(() => {
        asking = undefined;
      });
      return asking;
    },
  };
}

async function ask(check: () => Promise<void>): Promise<'up' | 'down'> {
  const { promise, resolve } = Promise.withResolvers<'down'>();
  const timer = setTimeout(() => resolve('down'), checkTimeoutMs);
  const answer = check().then(
    () => 'up' as const,
    () => 'down' as const,
  );
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** /livez and /readyz: for machines, without a token; they say nothing about tenants. */
export function registerHealth(app: FastifyInstance, readiness: Readiness, draining: AbortSignal): void {
  const config = { isHealth: true };
  app.get('/livez', { config }, () => ({ status: 'alive' }));
  app.get('/readyz', { config }, async (_request, reply) => {
    const { ready, peers } = await readiness.report();
    if (draining.aborted) return reply.code(503).send({ status: 'draining', peers });
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', peers });
  });
}

/** /metrics in the Prometheus text format. */
export function registerMetrics(app: FastifyInstance, { metrics }: Pick<Telemetry, 'metrics'>): void {
  app.get('/metrics', async (_request, reply) => {
    return reply.header('Content-Type', metrics.contentType).send(await metrics.metrics());
  });
}
