import type { AccessTokenVerifier, Auditor, Policy } from '@wardstone/access';
import type { ServiceClient, Slots, StreamMemory } from '@wardstone/rpc';
import type { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import type { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import type { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import type { ConversationService } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import type { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import type { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import type { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import type { Telemetry } from '@wardstone/telemetry';
import type { RateLimits } from './auth/rate-limit.ts';
import type { Limits } from './config.ts';

/** Clients of the services that the gateway calls; llm serves three of them at one URL, tenant-key two. */
export interface Services {
  readonly ingestion: ServiceClient<typeof IngestionService>;
  readonly retrieval: ServiceClient<typeof RetrievalService>;
  readonly llm: ServiceClient<typeof LlmService>;
  readonly answerSettings: ServiceClient<typeof AnswerSettingsService>;
  readonly conversations: ServiceClient<typeof ConversationService>;
  readonly tenantKey: ServiceClient<typeof TenantKeyService>;
  readonly tenantLifecycle: ServiceClient<typeof TenantLifecycleService>;
  readonly audit: ServiceClient<typeof AuditService>;
}

/** Everything the gateway is made of. */
export interface GatewayDeps {
  readonly telemetry: Telemetry;
  readonly verifyAccessToken: AccessTokenVerifier;
  readonly policy: Policy;
  readonly auditor: Pick<Auditor, 'record'>;
  readonly services: Services;
  /** How each peer is asked for its health, for the report of /readyz; throws when it is not well. */
  readonly peers: Readonly<Record<string, () => Promise<void>>>;
  readonly limits: Limits;
  readonly rateLimits: RateLimits;
  readonly corsOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  /** Where clients reach the API; for its description. */
  readonly publicUrl: string | undefined;
}

/** What handlers need beside the services they name. */
export interface RouteDeps {
  readonly services: Services;
  readonly limits: Limits;
  readonly policy: Policy;
  /** Event streams going on, per tenant. */
  readonly streams: Slots;
  /** Uploads going on, per tenant. */
  readonly uploads: Slots;
  /** JSON uploads held in memory: in all, and of each tenant no more than its share. */
  readonly jsonUploads: Slots;
  /** Told of every byte that is streamed. */
  readonly streamMemory: StreamMemory;
}
