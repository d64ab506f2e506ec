import {
  createAccessTokenVerifier,
  createCallerCheck,
  createPolicy,
  createServiceIdentity,
  systemPrincipal,
  type AuditCall,
  type Auditor,
  type NewAuditEvent,
} from '@wardstone/access';
import { migrate, openDatabase, type Database } from '@wardstone/db';
import {
  AppError,
  asPrincipal,
  createInMemoryTransport,
  createServiceClient,
  type Principal,
  type ServiceClient,
} from '@wardstone/rpc';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { createTelemetry } from '@wardstone/telemetry';
import {
  createTestDatabase,
  startTestIssuer,
  testIdentities,
  type TestDatabase,
  type TestTokenOptions,
} from '@wardstone/testing';
import { createPostgresTenants } from '../src/adapters/postgres-tenants.ts';
import { dataKeyEntity, tenantEntity } from '../src/db/entities.ts';
import { migrations } from '../src/db/migrations/index.ts';
import { createKeyIssuer } from '../src/key-issuer.ts';
import { createMetrics } from '../src/metrics.ts';
import type { KeyManagementService, TenantStore } from '../src/ports.ts';
import { routes } from '../src/routes.ts';

export const platformAdmin: Principal = {
  subject: 'root',
  kind: 'user',
  tenantId: undefined,
  roles: ['platform_admin'],
};

export function userOf(tenantId: string, role = 'clinician'): Principal {
  return { subject: 'user-1', kind: 'user', tenantId, roles: [role] };
}

/** What a call failed with, by reason. */
export async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'no error';
  } catch (error) {
    return AppError.from(error).reason;
  }
}

/** A migrated database of its own and the store over it. */
export async function openTenants(): Promise<{ database: Database; tenants: TenantStore; test: TestDatabase }> {
  const test = await createTestDatabase({ schemas: ['tenant_key'] });
  const { ownerUrl, appUrl: url, appRole } = test.schema('tenant_key');
  await migrate({ ownerUrl, schema: 'tenant_key', appRole, migrations });
  const database = await openDatabase({
    url,
    schema: 'tenant_key',
    entities: [tenantEntity, dataKeyEntity],
    applicationName: 'tenant-key-test',
  });
  return { database, tenants: createPostgresTenants(database), test };
}

/** Keeps events, or refuses them while `away`. */
export interface RecordingAuditor extends Auditor {
  readonly events: (NewAuditEvent & { readonly subject: string })[];
  away: boolean;
}

export function recordingAuditor(): RecordingAuditor {
  const auditor: RecordingAuditor = {
    events: [],
    away: false,
    record: (call: AuditCall, event) => auditor.recordAll(call, [event]),
    recordAll: (call, events) => {
      if (auditor.away) return Promise.reject(new AppError('AUDIT_UNAVAILABLE'));
      auditor.events.push(...events.map((event) => ({ ...event, subject: call.principal.subject })));
      return Promise.resolve();
    },
  };
  return auditor;
}

/** The service's methods, for one principal. */
export type Calls = Pick<
  ServiceClient<typeof TenantKeyService>,
  'createTenant' | 'getTenant' | 'listTenants' | 'getDataKeys'
>;

/** The service behind its whole chain of interceptors with real tokens, in memory; and clients that call as a peer. */
export interface Harness {
  /** Calls as a service, for a principal. */
  as(peer: string, principal: Principal): Calls;
  /** Calls with a token as it is. */
  withToken(token: string): Calls;
  /** A token of the identity provider. */
  readonly token: (options: TestTokenOptions) => Promise<string>;
  close(): Promise<void>;
}

export async function openHarness(parts: {
  tenants: TenantStore;
  kms: KeyManagementService;
  auditor: Auditor;
}): Promise<Harness> {
  const [identities, issuer, policy] = await Promise.all([testIdentities(), startTestIssuer(), createPolicy()]);
  const telemetry = createTelemetry({ service: 'tenant-key', version: 'test', logLevel: 'silent' });
  const keyMaxAgeMs = 60_000;
  const transport = createInMemoryTransport({
    telemetry,
    routes: routes({
      ...parts,
      keys: createKeyIssuer({ store: parts.tenants, kms: parts.kms, maxAgeMs: keyMaxAgeMs }),
      metrics: createMetrics(telemetry.metrics),
      keyMaxAgeMs,
    }),
    callerCheck: createCallerCheck({
      service: 'tenant-key',
      serviceJwksFile: identities.jwksFile,
      verifyAccessToken: createAccessTokenVerifier({ issuer: issuer.issuer, audience: issuer.audience }),
      policy,
    }),
  });
  /** A client whose every call is made for one principal, with a token made as told. */
  const calling = (principal: Principal, authorize: () => Promise<string>): Calls => {
    const client = createServiceClient(TenantKeyService, { baseUrl: '', audience: 'tenant-key', authorize, transport });
    const options = asPrincipal(principal);
    return {
      createTenant: (request) => client.createTenant(request, options),
      getTenant: (request) => client.getTenant(request, options),
      listTenants: (request) => client.listTenants(request, options),
      getDataKeys: (request) => client.getDataKeys(request, options),
    };
  };
  const issueToken: Harness['token'] = (options) => issuer.token(options);
  return {
    as: (peer, principal) =>
      calling(principal, async () => {
        const identity = await createServiceIdentity({ service: peer, privateJwkFile: identities.keyFile(peer) });
        return identity.authorize('tenant-key')(principal);
      }),
    withToken: (token) => calling(platformAdmin, () => Promise.resolve(token)),
    token: issueToken,
    close: async () => {
      await issuer.close();
      await identities.drop();
      await telemetry.shutdown();
    },
  };
}

export { systemPrincipal };
