import { type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import { type ConnectRouter, createConnectRouter } from '@connectrpc/connect';
import { compressionGzip } from '@connectrpc/connect-node';
import { AppError } from '../app-error.ts';
import { Health } from '../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection as ReflectionV1 } from '../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ReflectionV1Alpha } from '../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { access } from '../gen/wardstone/access/v1/access_pb.ts';
import { createChain } from '../interceptors/index.ts';
import { toWire } from '../to-wire.ts';
import { createDependencyChecks } from './dependency-checks.ts';
import { createHealth } from './health.ts';
import { createNodeListener } from './node-listener.ts';
import { type OnePort, openOnePort } from './one-port.ts';
import { createOperations } from './operations.ts';
import { registerReflection } from './reflection.ts';
import { type RunningServer, type ServerLimits, type ServerOptions, totalLimits } from './types.ts';

/** Services that need no token: load balancers and tools ask them, and they say nothing about tenants. */
export const openServices: ReadonlySet<string> = new Set(
  [Health, ReflectionV1, ReflectionV1Alpha].map((service) => service.typeName),
);

// After the drain's time is up, calls are told so; this is how long they may take to say it to their callers.
const farewellMs = 500;

/**
 * Answers are never compressed, whatever the caller offers. An answer holds what a caller chose beside what is secret, and its
 * length would tell of both (the BREACH attack). And it costs: each piece of a download took a deflate state of 256 KiB
 * of its own, about six times the CPU and half as much memory again (28 s instead of 4.6 for 512 MiB).
 */
const compressMinBytes = Number.MAX_SAFE_INTEGER;

/**
 * Starts a server: gRPC, gRPC-Web and Connect on one port, over HTTP/2 in clear text and HTTP/1.1; grpc.health.v1;
 * grpc.reflection v1 and v1alpha; /metrics, /livez and /readyz.
 *
 * Thrown: Error when a registered method declares no access, or the port cannot be had.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { telemetry } = options;
  const limits = totalLimits(options.limits);
  const draining = new AbortController();
  const shutdown = new AbortController();
  const router = createRouter(options, limits, draining.signal, shutdown.signal);
  const services = registerServices(router, options);
  const checks = createDependencyChecks({ dependencies: options.dependencies, telemetry });
  router.service(
    Health,
    createHealth({ checks, services: services.map(({ typeName }) => typeName), draining: draining.signal }),
  );
  if (options.reflection) registerReflection(router, [...services, Health]);

  const operations = createOperations({ telemetry, checks, draining: draining.signal });
  const listener = createNodeListener(router, operations, limits);
  const port = await openOnePort({ host: options.host, port: options.port, limits, log: telemetry.log, listener });
  telemetry.log.info({ address: port.address.address, port: port.address.port }, 'listening');

  let closed: Promise<void> | undefined;
  return {
    port: port.address.port,
    url: urlOf(port),
    close() {
      closed ??= drain(port, draining, shutdown, options);
      return closed;
    },
  };
}

function createRouter(options: ServerOptions, limits: ServerLimits, draining: AbortSignal, shutdown: AbortSignal) {
  const chain = createChain({ ...options, ...limits, draining, openServices });
  return createConnectRouter({
    ...chain,
    readMaxBytes: limits.readMaxBytes,
    writeMaxBytes: limits.writeMaxBytes,
    // What callers send may be compressed; the bound on its size is on the bytes that come out.
    acceptCompression: [compressionGzip],
    compressMinBytes,
    // What is not known is refused in JSON, which people write; binary messages of newer clients pass.
    jsonOptions: { ignoreUnknownFields: false },
    shutdownSignal: shutdown,
  });
}

/** Registers the service's own routes and checks that every method of them says who may call it. */
export function registerServices(router: ConnectRouter, options: Pick<ServerOptions, 'routes'>) {
  options.routes(router);
  const methods = new Set(router.handlers.map((handler) => handler.method));
  const silent = [...methods].filter((method) => !declaresAccess(method));
  if (silent.length > 0) {
    const names = silent.map((method) => `${method.parent.typeName}/${method.name}`).join(', ');
    throw new Error(`these methods do not declare who may call them (option wardstone.access.v1.access): ${names}`);
  }
  return [...new Set([...methods].map((method) => method.parent))];
}

function declaresAccess(method: DescMethod): boolean {
  if (!hasOption(method, access)) return false;
  const { resource, action, callers } = getOption(method, access);
  return resource !== '' && action !== '' && callers.length > 0;
}

async function drain(
  port: OnePort,
  draining: AbortController,
  shutdown: AbortController,
  options: ServerOptions,
): Promise<void> {
  const { log } = options.telemetry;
  log.info('draining');
  draining.abort(new AppError('SERVICE_UNAVAILABLE'));
  const stopped = port.stop();
  if (!(await within(stopped, options.drainTimeoutMs))) {
    log.warn('calls are still running, breaking them off');
    shutdown.abort(toWire(new AppError('SERVICE_UNAVAILABLE')));
    if (!(await within(stopped, farewellMs))) port.destroy();
  }
  await stopped;
  log.info('drained');
}

async function within(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), timeoutMs);
  try {
    return await Promise.race([work.then(() => true), promise]);
  } finally {
    clearTimeout(timer);
  }
}

// What a client on this machine can connect to; the wildcard addresses are not that.
function urlOf(port: OnePort): string {
  const { address, family, port: number } = port.address;
  const local = address === '::' ? '[::1]' : address === '0.0.0.0' ? '127.0.0.1' : address;
  return `http://${family === 'IPv6' && !local.startsWith('[') ? `[${local}]` : local}:${number}`;
}
