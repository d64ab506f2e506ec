import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceImpl } from '@connectrpc/connect';
import { AppError } from '../app-error.ts';
import { type Health, HealthCheckResponse_ServingStatus as Status } from '../gen/grpc/health/v1/health_pb.ts';
import type { DependencyChecks } from './dependency-checks.ts';

const watchIntervalMs = 1_000;

type ServingStatus = (typeof Status)['SERVING' | 'NOT_SERVING'];

/**
 * grpc.health.v1, telling the truth: SERVING when every dependency answered its check within the last second, NOT_SERVING
 * otherwise and while draining. Every service of the program, and "" for the program itself, have the same status, because
 * they share their dependencies.
 */
export function createHealth(options: {
  readonly checks: DependencyChecks;
  readonly services: readonly string[];
  readonly draining: AbortSignal;
}): ServiceImpl<typeof Health> {
  const known = new Set(['', ...options.services]);

  async function status(): Promise<ServingStatus> {
    const { serving } = await options.checks.report();
    return serving && !options.draining.aborted ? Status.SERVING : Status.NOT_SERVING;
  }

  return {
    async check(request) {
      if (!known.has(request.service)) throw new AppError('NOT_FOUND', { message: 'The server has no such service.' });
      return { status: await status() };
    },

    async *watch(request, ctx) {
      const ended = AbortSignal.any([ctx.signal, options.draining]);
      const current = () => (known.has(request.service) ? status() : Promise.resolve(Status.SERVICE_UNKNOWN));
      let sent: Status | undefined;
      for (;;) {
        const next = await current();
        if (next !== sent) yield { status: next };
        sent = next;
        if (ended.aborted) return;
        await delay(watchIntervalMs, undefined, { signal: ended }).catch(() => undefined);
        if (ctx.signal.aborted) return;
      }
    },

    async list() {
      const now = await status();
      return { statuses: Object.fromEntries([...known].map((name) => [name, { status: now }])) };
    },
  };
}
