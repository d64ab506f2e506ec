/**
 * What every program of the platform is made of beside its own parts, in the order in which a composition root needs it:
 * telemetry, peers, and for a service the server behind the caller check.
 */
import type { DescService } from '@bufbuild/protobuf';
import type { ServiceConfig } from '@wardstone/config';
import {
  type Closable,
  type RunningServer,
  type ServerOptions,
  type ServiceClient,
  createServiceClient,
  startServer,
} from '@wardstone/rpc';
import { type Telemetry, createTelemetry, requestContext } from '@wardstone/telemetry';
import { type AccessTokenVerifier, createAccessTokenVerifier } from './access-token.ts';
import { type Auditor, createDenialRecorder } from './audit-client.ts';
import { type OnDenied, type TenantCheck, createCallerCheck } from './caller-check.ts';
import { createPolicy } from './policy.ts';
import { type ServiceIdentity, createServiceIdentity } from './service-identity.ts';

// Services and libraries are released together.
const version = '0.1.0';

/** The variables that a program has whether it serves RPCs or, like the gateway, calls them only. */
export type ProgramConfig = Omit<ServiceConfig, 'WARDSTONE_SERVICE_JWKS_FILE' | 'WARDSTONE_REFLECTION'>;

/** The services that a program calls, each with the program's own identity. */
export interface Peers {
  readonly identity: ServiceIdentity;
  /** A client of the service named `audience`. */
  connect<S extends DescService>(service: S, audience: string, baseUrl: string): ServiceClient<S>;
}

/** What every program has. Closed last: it sends the telemetry that is still buffered. */
export interface ProgramKit extends Closable {
  readonly telemetry: Telemetry;
  /** Verifies tokens of the organisation's identity provider. */
  readonly verifyAccessToken: AccessTokenVerifier;
  /** Reads the program's private key. `defaultTimeoutMs` is for unary calls that are made without a deadline. */
  peers(options?: { readonly defaultTimeoutMs: number }): Promise<Peers>;
}

/** What every service has. */
export interface ServiceKit extends ProgramKit {
  /** An `onDenied` that appends to the audit log, and writes a log line where that fails. */
  recordDenials(auditor: Pick<Auditor, 'record'>): OnDenied;
  /** Starts the server, at the configured address, behind the caller check. Thrown: what startServer throws. */
  serve(
    options: Pick<ServerOptions, 'routes' | 'dependencies'> & {
      readonly onDenied: OnDenied;
      /** Of a service that serves tenants' data: part of its health until it knows which tenants are closed. */
      readonly gate?: TenantCheck & { ready(): Promise<void> };
    },
  ): Promise<RunningServer>;
}

/** Begins a program that serves no RPC. */
export function createProgramKit(service: string, config: ProgramConfig): ProgramKit {
  const telemetry = createTelemetry({
    service,
    version,
    logLevel: config.WARDSTONE_LOG_LEVEL,
    otlpUrl: config.WARDSTONE_OTLP_URL,
  });
  return {
    telemetry,
    verifyAccessToken: createAccessTokenVerifier({
      issuer: config.WARDSTONE_OIDC_ISSUER,
      audience: config.WARDSTONE_OIDC_AUDIENCE,
      clientIds: config.WARDSTONE_OIDC_CLIENT_IDS,
      jwksUri: config.WARDSTONE_OIDC_JWKS_URI,
    }),
    async peers(options) {
      const identity = await createServiceIdentity({ service, privateJwkFile: config.WARDSTONE_SERVICE_KEY_FILE });
      return {
        identity,
        connect: (description, audience, baseUrl) =>
          createServiceClient(description, {
            baseUrl,
            audience,
            authorize: identity.authorize(audience),
            telemetry,
            ...options,
          }),
      };
    },
    close: () => telemetry.shutdown(),
  };
}

/** Begins a service. */
export function createServiceKit(service: string, config: ServiceConfig): ServiceKit {
  const program = createProgramKit(service, config);
  const { telemetry, verifyAccessToken } = program;
  return {
    ...program,
    recordDenials: (auditor) =>
      createDenialRecorder({
        auditor,
        requestId: () => requestContext.get()?.requestId ?? 'unknown',
        logFailure: (err, { method, reason }) => telemetry.log.error({ err, method, reason }, 'denial not recorded'),
      }),
    serve: async ({ onDenied, gate, dependencies, ...own }) =>
      startServer({
        ...own,
        dependencies: gate === undefined ? dependencies : { ...dependencies, tenants: () => gate.ready() },
        service,
        telemetry,
        host: config.WARDSTONE_HOST,
        port: config.WARDSTONE_PORT,
        callerCheck: createCallerCheck({
          service,
          serviceJwksFile: config.WARDSTONE_SERVICE_JWKS_FILE,
          verifyAccessToken,
          policy: await createPolicy(),
          gate,
          onDenied,
        }),
        reflection: config.WARDSTONE_REFLECTION,
        drainTimeoutMs: config.WARDSTONE_DRAIN_TIMEOUT_MS,
      }),
  };
}
