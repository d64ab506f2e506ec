import { createWriteStream } from 'node:fs';
import { create, toBinary, type DescFile } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import * as grpc from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, type ServiceDefinition } from '@grpc/proto-loader';
import { createAccessTokenVerifier, createCallerCheck, createPolicy, createServiceIdentity } from '@wardstone/access';
import { asPrincipal, createServiceClient, startServer, type Principal } from '@wardstone/rpc';
import { TenantKeyService, TenantState } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { createTelemetry } from '@wardstone/telemetry';
import { testIdentities } from '@wardstone/testing';
import type { Bench, Measured, Row } from '../row.ts';
import { alternateMedians } from '../statistics.ts';

const rounds = 5;
const roundMs = 1_500;
const callsAtOnce = 32;
const tenantId = '01970000-0000-7000-8000-00000000000a';
const principal: Principal = { subject: 'bench', kind: 'user', tenantId, roles: ['tenant_admin'] };
const tenant = { displayName: 'North Clinic', keyVersion: 1, etag: 'v1' };

/** One unary call: the kit with tokens, policy, validation, metrics and logs, against an echo of bare grpc-js. */
export const rpcRow: Row = {
  name: 'rpc',
  measure: async ({ progress, signal }: Bench) => {
    const kit = await startKit();
    const bare = await startBare();
    try {
      progress(`rpc: ${rounds + 1} × 3 × ${roundMs} ms with ${callsAtOnce} calls at once`);
      const [whole = 0, serverAlone = 0, echo = 0] = await alternateMedians(rounds, [
        async () => callsPerSecond(kit.call, signal),
        async () => callsPerSecond(await kit.stockCall(), signal),
        async () => callsPerSecond(bare.call, signal),
      ]);
      const line = (what: string, ours: number): Measured => {
        const bareIs = 'grpc-js echo of the same message, client and server';
        return { what, unit: 'calls/s', better: 'higher', ours, bare: echo, bareIs, note: 'both ends in one process' };
      };
      return [
        line('unary RPC: kit client, kit server', whole),
        line('unary RPC: grpc-js client, kit server', serverAlone),
      ];
    } finally {
      await bare.close();
      await kit.close();
    }
  },
};

type Call = () => Promise<unknown>;

async function callsPerSecond(call: Call, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  let calls = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() - startedAt < roundMs) {
      signal.throwIfAborted();
      await call();
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: callsAtOnce }, caller));
  return (calls * 1000) / (performance.now() - startedAt);
}

async function startKit() {
  const identities = await testIdentities(['gateway', 'tenant-key']);
  const identity = await createServiceIdentity({
    service: 'gateway',
    privateJwkFile: identities.keyFile('gateway'),
  });
  const authorize = identity.authorize('tenant-key');
  const sink = createWriteStream('/dev/null');
  const telemetry = createTelemetry({ service: 'tenant-key', version: '0', logLevel: 'info', destination: sink });
  const server = await startServer({
    service: 'tenant-key',
    telemetry,
    host: '127.0.0.1',
    port: 0,
    routes: (router) =>
      void router.service(TenantKeyService, {
        getTenant: (request) => ({
          tenant: { ...tenant, tenantId: request.tenantId, state: TenantState.ACTIVE },
        }),
      }),
    callerCheck: createCallerCheck({
      service: 'tenant-key',
      serviceJwksFile: identities.jwksFile,
      // Nobody calls with a provider's token here, so that the issuer is never asked for its keys.
      verifyAccessToken: createAccessTokenVerifier({ issuer: 'http://127.0.0.1:9', audience: 'wardstone' }),
      policy: await createPolicy(),
    }),
    dependencies: {},
    reflection: false,
    drainTimeoutMs: 1_000,
  });
  const client = createServiceClient(TenantKeyService, {
    baseUrl: server.url,
    audience: 'tenant-key',
    authorize,
    telemetry,
  });
  const stock = new grpc.Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
  return {
    call: async () => client.getTenant({ tenantId }, asPrincipal(principal)),
    stockCall: async () => stockCaller(stock, await authorize(principal)),
    close: async () => {
      stock.close();
      await server.close();
      await telemetry.shutdown();
      await identities.drop();
      sink.end();
    },
  };
}

async function startBare() {
  const server = new grpc.Server();
  const handler: grpc.handleUnaryCall<{ tenant_id: string }, object> = (call, respond) => {
    respond(null, { tenant: { ...stockTenant, tenant_id: call.request.tenant_id } });
  };
  server.addService({ GetTenant: method }, { GetTenant: handler });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  return {
    call: stockCaller(client),
    close: async () => {
      client.close();
      await new Promise<void>((resolve) => {
        server.tryShutdown(() => {
          resolve();
        });
      });
    },
  };
}

/** A stock client's call of GetTenant; with a token when one is given. */
function stockCaller(client: grpc.Client, token?: string): Call {
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const { path, requestSerialize, responseDeserialize } = method;
  return async () =>
    new Promise((resolve, reject) => {
      const request = { tenant_id: tenantId };
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, answer) => {
        if (error === null) resolve(answer);
        else reject(error);
      });
    });
}

const stockTenant = {
  display_name: tenant.displayName,
  key_version: tenant.keyVersion,
  etag: tenant.etag,
  state: 'TENANT_STATE_ACTIVE',
};
const method = getTenantMethod();

/** GetTenant as proto-loader describes it to grpc-js, from the same descriptors as the kit's. */
function getTenantMethod() {
  const files = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file.name)) return;
    for (const dependency of file.dependencies) add(dependency);
    files.set(file.name, file);
  };
  add(TenantKeyService.file);
  const set = create(FileDescriptorSetSchema, { file: [...files.values()].map(({ proto }) => proto) });
  const options = { keepCase: true, longs: String, enums: String };
  const loaded = loadFileDescriptorSetFromBuffer(Buffer.from(toBinary(FileDescriptorSetSchema, set)), options);
  const service = loaded[TenantKeyService.typeName] as ServiceDefinition | undefined;
  const found = service?.['GetTenant'];
  if (found === undefined) throw new Error('GetTenant is not described');
  return found;
}
