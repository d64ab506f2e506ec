import type { Closable } from '@wardstone/rpc';
import type { Telemetry } from '@wardstone/telemetry';
import { fastify } from 'fastify';
import { registerMetrics } from './routes/operations.ts';

/** Serves /metrics on a port of its own, for where the API's port is open to the world. */
export async function startMetricsServer(
  telemetry: Pick<Telemetry, 'metrics'>,
  address: { readonly host: string; readonly port: number },
): Promise<Closable> {
  const app = fastify({ requestTimeout: 5_000, bodyLimit: 1 });
  registerMetrics(app, telemetry);
  await app.listen(address);
  return { close: () => app.close() };
}
