import type { Client } from '@grpc/grpc-js';
import type { DescService } from '@bufbuild/protobuf';
import { createServiceIdentity, type Principal, systemPrincipal } from '@wardstone/access';
import { serviceKeyFile } from '@wardstone/local/platform/service-keys';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { EmbeddingService } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { ConversationService } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { TenantWorkService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import type { Stack } from './stack.ts';
import { call, callUntil, type Outcome, stockClient } from './stock-grpc.ts';

/** Every service of the platform, and what it serves. No two of its methods have one name. */
export const services = {
  ingestion: [IngestionService],
  embedding: [EmbeddingService],
  retrieval: [RetrievalService],
  llm: [LlmService, AnswerSettingsService, ConversationService],
  audit: [AuditService],
  'tenant-key': [TenantKeyService, TenantLifecycleService, TenantWorkService],
} as const satisfies Record<string, readonly DescService[]>;
export type ServiceName = keyof typeof services;

/** Every RPC that the protos declare. */
export const rpcs = (Object.keys(services) as ServiceName[]).flatMap((service) =>
  services[service].flatMap((described: DescService) =>
    described.methods.map(({ name }) => ({ service, method: name, described })),
  ),
);

/** Every RPC that the protos declare, as `<service>.<Method>`. */
export const declaredRpcs: readonly string[] = rpcs.map(({ service, method }) => `${service}.${method}`);

/** Who calls: a service with its own key, for a user of a role or for itself, in a seeded tenant. */
export interface Caller {
  readonly peer: string;
  /** A role, or `service` for the calling service itself. */
  readonly role: string;
  /** Which of the seeded tenants: 0 is north, 1 is lakeside. */
  readonly tenant?: number;
}

/** Calls the services of a running platform with a stock gRPC client. */
export function createRpcCaller(stack: Stack) {
  const called = new Set<string>();

  async function withClient<T>(service: ServiceName, method: string, use: (client: Client) => Promise<T>): Promise<T> {
    const rpc = rpcs.find((candidate) => candidate.service === service && candidate.method === method);
    if (rpc === undefined) throw new Error(`${service} has no method ${method}`);
    const client = stockClient(rpc.described, stack.platform.urls[service]);
    try {
      called.add(`${service}.${method}`);
      return await use(client);
    } finally {
      client.close();
    }
  }

  const withToken = (token: string | undefined, service: ServiceName, method: string, ...requests: object[]) =>
    withClient(service, method, (client) => call(client, method, token, ...requests));

  async function tokenOf(caller: Caller, service: ServiceName): Promise<string> {
    const privateJwkFile = serviceKeyFile(stack.platform.layout.keysDir, caller.peer);
    const identity = await createServiceIdentity({ service: caller.peer, privateJwkFile });
    return identity.authorize(service)(principalOf(caller));
  }

  return {
    /** What was called so far, as `<service>.<Method>`. */
    called,
    withToken,
    /** Calls with the token of the calling service, and the principal inside. */
    async as(caller: Caller, service: ServiceName, method: string, ...requests: object[]): Promise<Outcome> {
      return withToken(await tokenOf(caller, service), service, method, ...requests);
    },
    /** The same for a stream that has no end of its own: it is left at the first message that `isLast` takes. */
    async until(
      caller: Caller,
      service: ServiceName,
      method: string,
      isLast: (message: Readonly<Record<string, unknown>>) => boolean,
    ): Promise<Outcome> {
      const token = await tokenOf(caller, service);
      return withClient(service, method, (client) => callUntil(client, method, token, isLast));
    },
  };

  function principalOf({ peer, role, tenant = 0 }: Caller): Principal {
    const tenantId = stack.platform.accounts.tenants[tenant]?.id ?? '';
    if (role === 'service') return systemPrincipal(peer, tenantId);
    return {
      subject: `user-${role}`,
      kind: 'user',
      tenantId: role === 'platform_admin' ? undefined : tenantId,
      roles: [role],
    };
  }
}

export type RpcCaller = ReturnType<typeof createRpcCaller>;
