import { createWriteStream } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { createAccessTokenVerifier, createAuditor, createCallerCheck, createPolicy } from '@wardstone/access';
import { createServiceIdentity } from '@wardstone/access';
import { limitsOf, loadConfig } from '@wardstone/gateway/config';
import { createGateway } from '@wardstone/gateway/gateway';
import { createServiceClient, startServer, type RunningServer } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import {
  DocumentSchema,
  DocumentState,
  IngestionService,
} from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { ConversationService } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { createTelemetry, type Telemetry } from '@wardstone/telemetry';
import { startTestIssuer, testIdentities, type TestIdentities, type TestIssuer } from '@wardstone/testing';
import autocannon from 'autocannon';
import { fastify } from 'fastify';
import type { Bench, Measured, Row } from '../row.ts';
import { alternateMedians } from '../statistics.ts';

const rounds = 4;
const roundSeconds = 2;
const connections = 16;
const documentsListed = 20;
const tenantId = '01970000-0000-7000-8000-00000000000a';

/** Requests through the gateway, against a bare Fastify that answers with the same JSON. */
export const gatewayRow: Row = {
  name: 'gateway',
  measure: async ({ progress, signal }: Bench) => {
    const closing: (() => Promise<unknown>)[] = [];
    try {
      const { url, headers } = await startGateway(closing);
      const results: Measured[] = [];
      for (const { path, what, note } of requests) {
        signal.throwIfAborted();
        progress(`gateway: ${path}, ${rounds + 1} × 2 × ${roundSeconds} s`);
        const bareUrl = await startBareFastify(path, await answerOf(`${url}${path}`, headers), closing);
        const [ours = 0, bare = 0] = await alternateMedians(rounds, [
          async () => requestsPerSecond(`${url}${path}`, headers),
          async () => requestsPerSecond(`${bareUrl}${path}`, headers),
        ]);
        const bareIs = 'Fastify with the same JSON';
        results.push({ what, unit: 'requests/s', better: 'higher', ours, bare, bareIs, note });
      }
      return results;
    } finally {
      for (const close of closing.reverse()) await close();
    }
  },
};

const requests = [
  { path: '/v1/me', what: 'GET /v1/me', note: 'token, policy, rate limit, schema, log; no upstream' },
  {
    path: `/v1/documents?pageSize=${documentsListed}`,
    what: `GET /v1/documents, ${documentsListed} of them`,
    note: 'with a gRPC call to a stub ingestion in the same process, whose time counts',
  },
];

type Headers = Readonly<Record<string, string>>;

async function answerOf(url: string, headers: Headers): Promise<object> {
  const response = await fetch(url, { headers });
  if (!response.ok) throw new Error(`${url} answered with HTTP ${response.status}`);
  return (await response.json()) as object;
}

async function requestsPerSecond(url: string, headers: Headers): Promise<number> {
  // The load comes from a thread of its own, so that the server's thread is measured and not the client.
  const result = await autocannon({ url, headers, connections, duration: roundSeconds, workers: 1 });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} broken`);
  return result['2xx'] / result.duration;
}

async function startBareFastify(path: string, answer: object, closing: (() => Promise<unknown>)[]): Promise<string> {
  const app = fastify();
  app.get(path.split('?')[0] ?? path, async () => answer);
  await app.listen({ host: '127.0.0.1', port: 0 });
  closing.push(async () => app.close());
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

async function startGateway(closing: (() => Promise<unknown>)[]): Promise<{ url: string; headers: Headers }> {
  const sink = createWriteStream('/dev/null');
  const telemetry = createTelemetry({ service: 'gateway', version: '0', logLevel: 'info', destination: sink });
  const issuer = await startTestIssuer();
  closing.push(async () => issuer.close());
  const identities = await testIdentities(['gateway', 'ingestion']);
  closing.push(async () => identities.drop());
  const upstream = await startStub(issuer, identities, telemetry);
  closing.push(async () => upstream.close());
  const identity = await createServiceIdentity({ service: 'gateway', privateJwkFile: identities.keyFile('gateway') });
  const peer = (audience: string) => ({
    baseUrl: upstream.url,
    audience,
    authorize: identity.authorize(audience),
    telemetry,
  });
  const audit = createServiceClient(AuditService, peer('audit'));
  const gateway = await createGateway({
    telemetry,
    verifyAccessToken: createAccessTokenVerifier(issuer),
    policy: await createPolicy(),
    auditor: createAuditor(audit),
    services: {
      ingestion: createServiceClient(IngestionService, peer('ingestion')),
      retrieval: createServiceClient(RetrievalService, peer('retrieval')),
      llm: createServiceClient(LlmService, peer('llm')),
      answerSettings: createServiceClient(AnswerSettingsService, peer('llm')),
      conversations: createServiceClient(ConversationService, peer('llm')),
      tenantKey: createServiceClient(TenantKeyService, peer('tenant-key')),
      tenantLifecycle: createServiceClient(TenantLifecycleService, peer('tenant-key')),
      audit,
    },
    peers: {},
    limits: limitsOf(defaultConfig(issuer, identities, upstream.url)),
    // One person asks for everything here: the limit is counted, and never reached.
    rateLimits: { windowMs: 60_000, maxRequests: 1_000_000_000, maxFailedSignIns: 60 },
    corsOrigins: [],
    trustedProxies: [],
    publicUrl: undefined,
  });
  await gateway.app.listen({ host: '127.0.0.1', port: 0 });
  closing.push(async () => gateway.close());
  const { port } = gateway.app.server.address() as AddressInfo;
  const token = await issuer.token({ tenantId, roles: ['clinician'] });
  return { url: `http://127.0.0.1:${port}`, headers: { authorization: `Bearer ${token}` } };
}

/** The gateway's own defaults, read as it reads them. */
function defaultConfig(issuer: TestIssuer, identities: TestIdentities, upstreamUrl: string) {
  return loadConfig({
    WARDSTONE_PORT: '0',
    WARDSTONE_SERVICE_KEY_FILE: identities.keyFile('gateway'),
    WARDSTONE_OIDC_ISSUER: issuer.issuer,
    WARDSTONE_OIDC_JWKS_URI: issuer.jwksUri,
    WARDSTONE_INGESTION_URL: upstreamUrl,
    WARDSTONE_RETRIEVAL_URL: upstreamUrl,
    WARDSTONE_LLM_URL: upstreamUrl,
    WARDSTONE_TENANT_KEY_URL: upstreamUrl,
    WARDSTONE_AUDIT_URL: upstreamUrl,
  });
}

/** Ingestion as the gateway sees it, with a fixed list: the kit with its checks, and no database. */
async function startStub(issuer: TestIssuer, identities: TestIdentities, telemetry: Telemetry): Promise<RunningServer> {
  const now = timestampFromDate(new Date());
  const documents = Array.from({ length: documentsListed }, (_, number) =>
    create(DocumentSchema, {
      ...{ documentId: `01970000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`, version: 1 },
      ...{ title: `Invented note ${number}`, fileName: `note-${number}.pdf`, mediaType: 'application/pdf' },
      ...{ sizeBytes: 20_480n, state: DocumentState.READY, percent: 100, pageCount: 10, chunkCount: 24 },
      ...{ createdBy: 'user-1', createdAt: now, updatedAt: now, etag: 'v1' },
    }),
  );
  return startServer({
    service: 'ingestion',
    telemetry,
    host: '127.0.0.1',
    port: 0,
    routes: (router) =>
      void router.service(IngestionService, { listDocuments: () => ({ documents, nextPageToken: '' }) }),
    callerCheck: createCallerCheck({
      service: 'ingestion',
      serviceJwksFile: identities.jwksFile,
      verifyAccessToken: createAccessTokenVerifier(issuer),
      policy: await createPolicy(),
    }),
    dependencies: {},
    reflection: false,
    drainTimeoutMs: 1_000,
  });
}
