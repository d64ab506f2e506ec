import {
  type AccessTokenVerifier,
  createAccessTokenVerifier,
  createAuditor,
  createCallerCheck,
  createPolicy,
  createServiceIdentity,
} from '@wardstone/access';
import type { DescService } from '@bufbuild/protobuf';
import type { ConnectRouter } from '@connectrpc/connect';
import { type RunningServer, type ServiceClient, createServiceClient, peerHealth, startServer } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { ConversationService } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { type SpanExporter, createTelemetry } from '@wardstone/telemetry';
import {
  type TestIdentities,
  type TestIssuer,
  type TestTokenOptions,
  startTestIssuer,
  testIdentities,
} from '@wardstone/testing';
import type { Limits } from '../../src/config.ts';
import type { GatewayDeps } from '../../src/deps.ts';
import { type Gateway, createGateway } from '../../src/gateway.ts';
import {
  type InTestState,
  auditInTest,
  createState,
  ingestionInTest,
  llmInTest,
  retrievalInTest,
  tenantKeyInTest,
} from './in-test-services.ts';

export const tenantA = '01970000-0000-7000-8000-00000000000a';
export const tenantB = '01970000-0000-7000-8000-00000000000b';

/** Short enough for a test to see each bound, long enough for a busy machine. */
export const testLimits: Limits = {
  jsonUploadMaxBytes: 1024 * 1024,
  jsonUploads: 4,
  jsonUploadTimeoutMs: 10_000,
  uploadMinBytesPerSecond: 1024,
  uploadMaxBytes: 8 * 1024 * 1024,
  uploadsPerTenant: 16,
  streamsPerTenant: 3,
  heartbeatMs: 15_000,
  streamMaxMs: 60_000,
  callTimeoutMs: 10_000,
  answerTimeoutMs: 10_000,
  transferTimeoutMs: 60_000,
  headersTimeoutMs: 5_000,
  bodyTimeoutMs: 5_000,
  idleTimeoutMs: 5_000,
  drainTimeoutMs: 2_000,
};

export type ServiceName = 'ingestion' | 'retrieval' | 'llm' | 'tenant-key' | 'audit';

/** A gateway with everything around it: real sockets, real tokens, real policy; services that only remember. */
export interface World {
  readonly url: string;
  readonly gateway: Gateway;
  readonly state: InTestState;
  readonly issuer: TestIssuer;
  readonly verifier: AccessTokenVerifier;
  readonly identities: TestIdentities;
  /** URLs of the services, by name. */
  readonly urls: Readonly<Record<ServiceName, string>>;
  /** What the gateway logged, line by line. */
  readonly logLines: string[];
  /** What the gateway has measured, in the Prometheus text format. */
  metrics(): Promise<string>;
  /** An Authorization header for a principal; of tenant A, a clinician, unless told. */
  bearer(options?: TestTokenOptions): Promise<{ authorization: string }>;
  stop(service: ServiceName): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly limits?: Partial<Limits>;
  readonly rateLimits?: Partial<GatewayDeps['rateLimits']>;
  readonly deps?: Partial<GatewayDeps>;
  readonly spanExporter?: SpanExporter;
}

const services: Readonly<Record<ServiceName, (state: InTestState) => (router: ConnectRouter) => void>> = {
  ingestion: ingestionInTest,
  retrieval: retrievalInTest,
  llm: llmInTest,
  'tenant-key': tenantKeyInTest,
  audit: auditInTest,
};

/** Starts the services and a gateway in front of them. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const issuer = await startTestIssuer();
  const identities = await testIdentities();
  const state = createState();
  const running = await startServices(state, issuer, identities);
  const urls = Object.fromEntries([...running].map(([name, { url }]) => [name, url])) as Record<ServiceName, string>;
  const logLines: string[] = [];
  const deps = await gatewayDeps(options, { issuer, identities, urls, logLines });
  const gateway = await createGateway(deps);
  const paths = await describedPaths(gateway);
  await gateway.app.listen({ host: '127.0.0.1', port: 0 });
  const address = gateway.app.addresses()[0];
  if (address === undefined || typeof address === 'string') throw new Error('the gateway has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    gateway,
    state,
    issuer,
    verifier: deps.verifyAccessToken,
    identities,
    urls,
    logLines,
    metrics: () => deps.telemetry.metrics.metrics(),
    bearer: async (token = {}) => ({ authorization: `Bearer ${await issuer.token({ tenantId: tenantA, ...token })}` }),
    stop: async (service) => running.get(service)?.close(),
    close: async () => {
      const undescribed = await undescribedProblems(paths, deps.telemetry);
      await gateway.close();
      for (const server of running.values()) await server.close();
      await issuer.close();
      await identities.drop();
      if (undescribed.length > 0) throw new Error(`answered, but not described: ${undescribed.join(', ')}`);
    },
  };
}

type Paths = Readonly<Record<string, object>>;

async function describedPaths({ app }: Gateway): Promise<Paths> {
  return (await app.inject('/openapi.json')).json<{ readonly paths: Paths }>().paths;
}

/** What was answered under a path of the API's description that does not say so. Holds every test against the description. */
async function undescribedProblems(paths: Paths, { metrics }: GatewayDeps['telemetry']): Promise<string[]> {
  const problems = (await metrics.metrics()).matchAll(/^http_problems_total\{.*?route="([^"]+)",reason="([A-Z_]+)"/gm);
  return [...problems].flatMap(([, path = '', reason = '']) => {
    // Nobody is answered who has left.
    const isElsewhere = paths[path] === undefined || reason === 'CANCELLED';
    return isElsewhere || JSON.stringify(paths[path]).includes(`\`${reason}\``) ? [] : [`${reason} under ${path}`];
  });
}

/** Starts the in-test services, each behind the real server kit and the real caller check. */
export async function startServices(
  state: InTestState,
  issuer: TestIssuer,
  identities: TestIdentities,
): Promise<Map<ServiceName, RunningServer>> {
  const policy = await createPolicy();
  const running = new Map<ServiceName, RunningServer>();
  for (const [service, routes] of Object.entries(services) as [ServiceName, (typeof services)[ServiceName]][]) {
    const server = await startServer({
      service,
      telemetry: createTelemetry({ service, version: 'test', logLevel: 'silent' }),
      host: '127.0.0.1',
      port: 0,
      routes: routes(state),
      callerCheck: createCallerCheck({
        service,
        serviceJwksFile: identities.jwksFile,
        verifyAccessToken: createAccessTokenVerifier(issuer),
        policy,
      }),
      dependencies: {},
      reflection: false,
      drainTimeoutMs: 200,
    });
    running.set(service, server);
  }
  return running;
}

async function gatewayDeps(
  options: WorldOptions,
  around: Pick<World, 'issuer' | 'identities' | 'urls' | 'logLines'>,
): Promise<GatewayDeps> {
  const { issuer, identities, urls, logLines } = around;
  const telemetry = createTelemetry({
    service: 'gateway',
    version: 'test',
    logLevel: 'trace',
    destination: { write: (line) => void logLines.push(line) },
    spanExporter: options.spanExporter,
  });
  const identity = await createServiceIdentity({ service: 'gateway', privateJwkFile: identities.keyFile('gateway') });
  const connect = <S extends DescService>(description: S, name: ServiceName): ServiceClient<S> =>
    createServiceClient(description, {
      baseUrl: urls[name],
      audience: name,
      authorize: identity.authorize(name),
      telemetry,
    });
  const audit = connect(AuditService, 'audit');
  return {
    telemetry,
    verifyAccessToken: createAccessTokenVerifier(issuer),
    policy: await createPolicy(),
    auditor: createAuditor(audit),
    services: {
      ingestion: connect(IngestionService, 'ingestion'),
      retrieval: connect(RetrievalService, 'retrieval'),
      llm: connect(LlmService, 'llm'),
      answerSettings: connect(AnswerSettingsService, 'llm'),
      conversations: connect(ConversationService, 'llm'),
      tenantKey: connect(TenantKeyService, 'tenant-key'),
      tenantLifecycle: connect(TenantLifecycleService, 'tenant-key'),
      audit,
    },
    peers: Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, peerHealth(url)])),
    limits: { ...testLimits, ...options.limits },
    rateLimits: { windowMs: 60_000, maxRequests: 10_000, maxFailedSignIns: 10_000, ...options.rateLimits },
    corsOrigins: [],
    trustedProxies: [],
    publicUrl: undefined,
    ...options.deps,
  };
}
