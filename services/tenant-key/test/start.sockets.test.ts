import { create } from '@bufbuild/protobuf';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAccessTokenVerifier, createCallerCheck, createPolicy, createServiceIdentity } from '@wardstone/access';
import { createRemoteKeyRing, open, seal } from '@wardstone/crypto';
import { asPrincipal, callContext, createServiceClient, startServer } from '@wardstone/rpc';
import { AppendEventsResponseSchema, AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { createTelemetry } from '@wardstone/telemetry';
import { startTestIssuer, testIdentities } from '@wardstone/testing';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { loadConfig } from '../src/config.ts';
import { start, type Running } from '../src/start.ts';
import { openTenants, platformAdmin, reasonOf } from './support.ts';

describe('tenant-key over real sockets', () => {
  let dir: string;
  let opened: Awaited<ReturnType<typeof openTenants>>;
  let identities: Awaited<ReturnType<typeof testIdentities>>;
  let issuer: Awaited<ReturnType<typeof startTestIssuer>>;
  let audit: Awaited<ReturnType<typeof startServer>>;
  let running: Running;
  const recorded: string[] = [];

  before(async function () {
    this.timeout(60_000);
    dir = await mkdtemp(join(tmpdir(), 'wardstone-kms-'));
    [opened, identities, issuer] = await Promise.all([openTenants(), testIdentities(), startTestIssuer()]);
    audit = await startAudit();
    running = await start(loadConfig(environment()));
  });
  after(async () => {
    for (const part of running.parts) await part.close();
    await audit.close();
    await opened.database.close();
    await opened.test.drop();
    await issuer.close();
    await identities.drop();
    await rm(dir, { recursive: true, force: true });
  });

  /** Takes events as the audit service does; keeping them provably is that service's own business. */
  async function startAudit() {
    const telemetry = createTelemetry({ service: 'audit', version: 'test', logLevel: 'silent' });
    return startServer({
      service: 'audit',
      telemetry,
      host: '127.0.0.1',
      port: 0,
      routes: (router) => {
        router.service(AuditService, {
          appendEvents: ({ events }, ctx) => {
            const { principal, peer } = callContext(ctx);
            recorded.push(...events.map(({ action }) => `${action} by ${principal.subject} through ${peer}`));
            return create(AppendEventsResponseSchema, { recorded: events.map(({ eventId }) => ({ eventId })) });
          },
        });
      },
      callerCheck: createCallerCheck({
        service: 'audit',
        serviceJwksFile: identities.jwksFile,
        verifyAccessToken: createAccessTokenVerifier({ issuer: issuer.issuer, audience: issuer.audience }),
        policy: await createPolicy(),
      }),
      dependencies: {},
      reflection: false,
      drainTimeoutMs: 1000,
    });
  }

  function environment(): Record<string, string> {
    return {
      WARDSTONE_PORT: '0',
      WARDSTONE_LOG_LEVEL: 'silent',
      WARDSTONE_SERVICE_KEY_FILE: identities.keyFile('tenant-key'),
      WARDSTONE_SERVICE_JWKS_FILE: identities.jwksFile,
      WARDSTONE_OIDC_ISSUER: issuer.issuer,
      WARDSTONE_DATABASE_URL: opened.test.schema('tenant_key').appUrl,
      WARDSTONE_KMS_DIR: dir,
      WARDSTONE_AUDIT_URL: audit.url,
    };
  }

  async function clientOf(service: string) {
    const identity = await createServiceIdentity({ service, privateJwkFile: identities.keyFile(service) });
    const authorize = identity.authorize('tenant-key');
    return createServiceClient(TenantKeyService, { baseUrl: running.url, audience: 'tenant-key', authorize });
  }

  it('makes a tenant, gives a service its keys, and what is sealed with them opens; every step is audited', async () => {
    const gateway = await clientOf('gateway');
    const tenantId = uuidv7();
    const { tenant } = await gateway.createTenant({ tenantId, displayName: 'Klinik' }, asPrincipal(platformAdmin));
    expect(tenant?.tenantId).to.equal(tenantId);
    const keys = createRemoteKeyRing(await clientOf('retrieval'), 'retrieval');
    const context = { tenantId, resource: uuidv7(), field: 'text' };
    const sealed = await seal(keys, 'content', context, 'Blutdruck 120/80');
    keys.clear();
    expect(await open(keys, 'content', context, sealed)).to.equal('Blutdruck 120/80');
    expect(await reasonOf(keys.current(tenantId, 'history'))).to.equal('PERMISSION_DENIED');
    expect(recorded).to.deep.equal([
      'tenant.create by root through tenant-key',
      'data-key.read by service:retrieval through tenant-key',
      'data-key.read by service:retrieval through tenant-key',
      'data-key.read by service:retrieval through tenant-key',
    ]);
  });

  it('is ready, and says so over HTTP', async () => {
    expect((await fetch(`${running.url}/readyz`)).status).to.equal(200);
  });
});
