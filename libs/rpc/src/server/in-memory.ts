import { type Transport, createRouterTransport } from '@connectrpc/connect';
import { createChain } from '../interceptors/index.ts';
import { openServices, registerServices } from './start-server.ts';
import { type ServerOptions, totalLimits } from './types.ts';

/**
 * The services behind the same gate and interceptors as on a real server, without a socket: the middle level of test. Give
 * the transport to createServiceClient.
 */
export function createInMemoryTransport(
  options: Pick<ServerOptions, 'routes' | 'telemetry' | 'callerCheck' | 'limits'>,
): Transport {
  const limits = totalLimits(options.limits);
  const chain = createChain({ ...options, ...limits, draining: new AbortController().signal, openServices });
  return createRouterTransport((router) => void registerServices(router, options), {
    router: { ...chain, readMaxBytes: limits.readMaxBytes, writeMaxBytes: limits.writeMaxBytes },
  });
}
