import { readFile } from 'node:fs/promises';
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
import { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { TenantWorkService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { createTelemetry } from '@wardstone/telemetry';
import {
  createTestDatabase,
  startTestIssuer,
  testIdentities,
  type TestDatabase,
  type TestTokenOptions,
} from '@wardstone/testing';
import { createPostgresTenants } from '../src/adapters/postgres-tenants.ts';
import { listenForTenants } from '../src/adapters/tenant-changes.ts';
import { dataKeyEntity, tenantEntity } from '../src/db/entities.ts';
import { keyRotationEntity, offboardingEntity, tenantWorkEntity } from '../src/db/lifecycle-entities.ts';
import { migrations } from '../src/db/migrations/index.ts';
import { createKeyIssuer } from '../src/key-issuer.ts';
import { createMetrics } from '../src/metrics.ts';
import type { AuditLog, KeyManagementService, LoggedEvent, TenantStore } from '../src/ports.ts';
import type { Deps } from '../src/rpc/deps.ts';
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
    entities: [tenantEntity, dataKeyEntity, keyRotationEntity, offboardingEntity, tenantWorkEntity],
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

/** A chain that keeps its events once per id, each with its place; its hashes are made up. */
/** With `answerLost`, so many of the next appends are kept and their answers lost. */
export function recordingAuditLog(): AuditLog & { readonly events: LoggedEvent[]; answerLost: number } {
  const events: LoggedEvent[] = [];
  const log = {
    events,
    answerLost: 0,
    append: (_tenantId: string, event: LoggedEvent) => {
      const before = events.find(({ eventId }) => eventId === event.eventId);
      if (before === undefined) events.push(event);
      // As the audit service does: one id is one event.
      else if (JSON.stringify(before) !== JSON.stringify(event)) return Promise.reject(new AppError('INTERNAL'));
      const sequence = events.findIndex(({ eventId }) => eventId === event.eventId) + 1;
      if (log.answerLost > 0) {
        log.answerLost -= 1;
        return Promise.reject(new AppError('AUDIT_UNAVAILABLE'));
      }
      return Promise.resolve({ sequence: BigInt(sequence), hash: new Uint8Array(32).fill(sequence) });
    },
  };
  return log;
}

/** The service's methods, for one principal. */
export type Calls = Pick<
  ServiceClient<typeof TenantKeyService>,
  'createTenant' | 'getTenant' | 'listTenants' | 'getDataKeys'
> &
  ServiceClient<typeof TenantLifecycleService> &
  ServiceClient<typeof TenantWorkService>;

/** The service behind its whole chain of interceptors with real tokens, in memory; and clients that call as a peer. */
export interface Harness {
  /** Calls as a service, for a principal. */
  as(peer: string, principal: Principal): Calls;
  /** Calls with a token as it is. */
  withToken(token: string): Calls;
  /** What the handlers work with: for the driver, and to look. */
  readonly deps: Deps;
  /** Public keys of all services. */
  jwks(): Promise<unknown>;
  /** Wipes what this process holds of a tenant's keys, as its lifetime does. */
  forgetKeys(tenantId: string): void;
  /** A token of the identity provider. */
  readonly token: (options: TestTokenOptions) => Promise<string>;
  close(): Promise<void>;
}

export async function openHarness(parts: {
  database: Database;
  tenants: TenantStore;
  kms: KeyManagementService;
  auditor: Auditor;
  auditLog?: AuditLog;
  keyMaxAgeMs?: number;
  now?: () => Date;
  /** A millisecond unless told. */
  rotationMinIntervalMs?: number;
}): Promise<Harness> {
  const [identities, issuer, policy] = await Promise.all([testIdentities(), startTestIssuer(), createPolicy()]);
  const telemetry = createTelemetry({ service: 'tenant-key', version: 'test', logLevel: 'silent' });
  const { database, tenants, kms, auditor, keyMaxAgeMs = 60_000, now = () => new Date() } = parts;
  const signer = await createServiceIdentity({
    service: 'tenant-key',
    privateJwkFile: identities.keyFile('tenant-key'),
  });
  const changes = await listenForTenants(database);
  const keys = createKeyIssuer({ store: tenants, kms, maxAgeMs: keyMaxAgeMs });
  const deps: Deps = {
    database,
    tenants,
    kms,
    keys,
    auditor,
    auditLog: parts.auditLog ?? recordingAuditLog(),
    sign: (typ, says) => signer.sign(typ, says),
    changes,
    metrics: createMetrics(telemetry.metrics),
    log: telemetry.log,
    keyMaxAgeMs,
    settleMarginMs: 0,
    rotationMinIntervalMs: parts.rotationMinIntervalMs ?? 1,
    now,
  };
  const transport = createInMemoryTransport({
    telemetry,
    routes: routes(deps),
    callerCheck: createCallerCheck({
      service: 'tenant-key',
      serviceJwksFile: identities.jwksFile,
      verifyAccessToken: createAccessTokenVerifier({ issuer: issuer.issuer, audience: issuer.audience }),
      policy,
    }),
  });
  /** A client whose every call is made for one principal, with a token made as told. */
  const calling = (principal: Principal, authorize: () => Promise<string>): Calls => {
    const how = { baseUrl: '', audience: 'tenant-key', authorize, transport };
    const [tenantKey, lifecycle, work] = [
      createServiceClient(TenantKeyService, how),
      createServiceClient(TenantLifecycleService, how),
      createServiceClient(TenantWorkService, how),
    ];
    const options = asPrincipal(principal);
    return {
      createTenant: (request) => tenantKey.createTenant(request, options),
      getTenant: (request) => tenantKey.getTenant(request, options),
      listTenants: (request) => tenantKey.listTenants(request, options),
      getDataKeys: (request) => tenantKey.getDataKeys(request, options),
      suspendTenant: (request) => lifecycle.suspendTenant(request, options),
      resumeTenant: (request) => lifecycle.resumeTenant(request, options),
      startKeyRotation: (request) => lifecycle.startKeyRotation(request, options),
      getKeyRotation: (request) => lifecycle.getKeyRotation(request, options),
      requestOffboarding: (request) => lifecycle.requestOffboarding(request, options),
      approveOffboarding: (request) => lifecycle.approveOffboarding(request, options),
      cancelOffboarding: (request) => lifecycle.cancelOffboarding(request, options),
      getOffboarding: (request) => lifecycle.getOffboarding(request, options),
      watchTenants: (request, given) => work.watchTenants(request, { ...given, ...options }),
      listTenantWork: (request) => work.listTenantWork(request, options),
      beginTenantWork: (request) => work.beginTenantWork(request, options),
      reportTenantWork: (request) => work.reportTenantWork(request, options),
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
    deps,
    jwks: async () => JSON.parse(await readFile(identities.jwksFile, 'utf8')) as unknown,
    forgetKeys: (tenantId) => keys.forget(tenantId),
    token: issueToken,
    close: async () => {
      await changes.close();
      await issuer.close();
      await identities.drop();
      await telemetry.shutdown();
    },
  };
}

export { systemPrincipal };
