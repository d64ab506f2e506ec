import type { DescService } from '@bufbuild/protobuf';
import { createServiceIdentity, type Principal, systemPrincipal } from '@wardstone/access';
import { serviceKeyFile } from '@wardstone/local/platform/service-keys';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { EmbeddingService } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type { Stack } from './stack.ts';
import { call, type Outcome, stockClient } from './stock-grpc.ts';

/** Every service of the platform. */
export const services = {
  ingestion: IngestionService,
  embedding: EmbeddingService,
  retrieval: RetrievalService,
  llm: LlmService,
  audit: AuditService,
  'tenant-key': TenantKeyService,
} as const satisfies Record<string, DescService>;
export type ServiceName = keyof typeof services;

/** Every RPC that the protos declare, as `<service>.<Method>`. */
export const declaredRpcs: readonly string[] = Object.entries(services).flatMap(([name, service]) =>
  service.methods.map((method) => `${name}.${method.name}`),
);

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

  async function withToken(
    token: string | undefined,
    service: ServiceName,
    method: string,
    ...requests: object[]
  ): Promise<Outcome> {
    const client = stockClient(services[service], stack.platform.urls[service]);
    try {
      called.add(`${service}.${method}`);
      return await call(client, method, token, ...requests);
    } finally {
      client.close();
    }
  }

  return {
    /** What was called so far, as `<service>.<Method>`. */
    called,
    withToken,
    /** Calls with the token of the calling service, and the principal inside. */
    async as(caller: Caller, service: ServiceName, method: string, ...requests: object[]): Promise<Outcome> {
      const { peer } = caller;
      const privateJwkFile = serviceKeyFile(stack.platform.layout.keysDir, peer);
      const identity = await createServiceIdentity({ service: peer, privateJwkFile });
      const token = await identity.authorize(service)(principalOf(caller));
      return withToken(token, service, method, ...requests);
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
