import type { Telemetry } from '@wardstone/telemetry';
import type { FastifyInstance } from 'fastify';

/** How what the gateway leans on is at the moment. */
export type PeerState = 'ok' | 'away';

/** What /readyz says. */
export interface ReadinessReport {
  /** Whether this gateway can serve. */
  readonly ready: boolean;
  readonly identityProvider: PeerState;
  /** For whoever looks; none of them makes the gateway unready. */
  readonly peers: Readonly<Record<string, PeerState>>;
}

/** Finds out whether the gateway can serve, and how its peers are. */
export interface Readiness {
  report(): Promise<ReadinessReport>;
}

type Check = () => Promise<void>;

/** What is asked; a check throws when what it asks is not well. */
export interface ReadinessChecks {
  /** Whether tokens can be verified: the provider's keys were had once, or can be had. */
  readonly identityProvider: Check;
  readonly peers: Readonly<Record<string, Check>>;
}

const cacheMs = 1_000;
const identityProviderTimeoutMs = 2_000;
/** Short: a probe waits for the report, and a peer that hangs must not look like a gateway that does. */
const peerTimeoutMs = 500;

/**
 * Asks never more often than once a second and never twice at once, each within a bound. Ready means that this gateway can
 * serve, not that all of its peers can: without one of them the operations of the others go on, and taking every gateway
 * out of rotation for it would end them too.
 */
export function createReadiness(
  checks: ReadinessChecks,
  log: Pick<Telemetry['log'], 'info' | 'warn'>,
  now = () => performance.now(),
): Readiness {
  let awayBefore = '';
  let asking: Promise<ReadinessReport> | undefined;
  let cached: { readonly at: number; readonly report: ReadinessReport } | undefined;
  const askAll = async () => {
    const [identityProvider, ...states] = await Promise.all([
      ask(checks.identityProvider, identityProviderTimeoutMs),
      ...Object.entries(checks.peers).map(async ([name, check]) => [name, await ask(check, peerTimeoutMs)] as const),
    ]);
    const report = { ready: identityProvider === 'ok', identityProvider, peers: Object.fromEntries(states) };
    cached = { at: now(), report };
    const all = [...states, ['identity-provider', identityProvider] as const];
    tellChange(all.filter(([, state]) => state === 'away').map(([name]) => name));
    return report;
  };
  // Once for each change: whoever asks every second would fill the log with what is known.
  const tellChange = (away: readonly string[]): void => {
    const names = away.join(' ');
    if (names === awayBefore) return;
    awayBefore = names;
    if (away.length > 0) log.warn({ peer: away }, 'peers are away');
    else log.info('all peers are here again');
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

async function ask(check: Check, timeoutMs: number): Promise<PeerState> {
  const { promise, resolve } = Promise.withResolvers<PeerState>();
  const timer = setTimeout(() => resolve('away'), timeoutMs);
  const answer = check().then(
    () => 'ok' as const,
    () => 'away' as const,
  );
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** /livez and /readyz: for machines, without a token; they say nothing about tenants, and name no address. */
export function registerHealth(app: FastifyInstance, readiness: Readiness, draining: AbortSignal): void {
  const config = { isHealth: true };
  app.get('/livez', { config }, () => ({ status: 'alive' }));
  app.get('/readyz', { config }, async (_request, reply) => {
    const { ready, ...states } = await readiness.report();
    if (draining.aborted) return reply.code(503).send({ status: 'draining', ...states });
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', ...states });
  });
}

/** /metrics in the Prometheus text format. */
export function registerMetrics(app: FastifyInstance, { metrics }: Pick<Telemetry, 'metrics'>): void {
  app.get('/metrics', async (_request, reply) => {
    return reply.header('Content-Type', metrics.contentType).send(await metrics.metrics());
  });
}
