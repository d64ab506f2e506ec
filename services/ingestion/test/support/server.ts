import { type RunningServer, startServer } from '@wardstone/rpc';
import { routes } from '../../src/rpc/routes.ts';
import { trustingCheck } from '@wardstone/service-testing';
import type { Harness } from './harness.ts';

/** The service's handlers of a harness, over real sockets on a free port. */
export function serve(harness: Harness): Promise<RunningServer> {
  return startServer({
    service: 'ingestion',
    telemetry: harness.telemetry,
    host: '127.0.0.1',
    port: 0,
    reflection: false,
    drainTimeoutMs: 5_000,
    dependencies: {},
    callerCheck: trustingCheck,
    routes: routes(harness.deps),
  });
}
