import type { Closable } from '@wardstone/rpc';
import type { Telemetry } from '@wardstone/telemetry';
import { fastify } from 'fastify';
import { registerMetrics } from './routes/operations.ts';

/** Serves /metrics on a port of its own: the API's port is open to the world, and what is measured is not for it. */
export async function startMetricsServer(
  telemetry: Pick<Telemetry, 'metrics' | 'log'>,
  address: { readonly host: string; readonly port: number },
): Promise<Closable> {
  const app = fastify({ requestTimeout: 5_000, bodyLimit: 1 });
  registerMetrics(app, telemetry);
  await app.listen(address);
  const bound = app.addresses()[0];
  telemetry.log.info({ ...address, ...(typeof bound === 'object' ? { port: bound.port } : {}) }, 'serving metrics');
  return { close: () => app.close() };
}
