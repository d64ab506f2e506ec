import { expect } from 'chai';
import {
  createAccessTokenVerifier,
  createCallerCheck,
  createPolicy,
  createServiceIdentity,
  systemPrincipal,
} from '@wardstone/access';
import { asPrincipal, createServiceClient, type Principal, type RunningServer, startServer } from '@wardstone/rpc';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { createTelemetry } from '@wardstone/telemetry';
import { testIdentities, type TestIdentities } from '@wardstone/testing';
import { v7 as uuidv7 } from 'uuid';
import { routes } from '../src/rpc/routes.ts';
import { clinician, type Harness, openHarness, reasonOf, seededVector } from './support/harness.ts';

describe('retrieval over sockets', () => {
  let harness: Harness;
  let identities: TestIdentities;
  let server: RunningServer;
  const tenantId = uuidv7();

  before(async () => {
    harness = await openHarness();
    identities = await testIdentities(['gateway', 'llm', 'ingestion', 'embedding']);
    server = await startServer({
      service: 'retrieval',
      telemetry: createTelemetry({ service: 'retrieval', version: '0', logLevel: 'silent' }),
      host: '127.0.0.1',
      port: 0,
      routes: routes(harness.deps),
      callerCheck: createCallerCheck({
        service: 'retrieval',
        serviceJwksFile: identities.jwksFile,
        verifyAccessToken: createAccessTokenVerifier({ issuer: 'http://127.0.0.1:9', audience: 'wardstone' }),
        policy: await createPolicy(),
      }),
      dependencies: { database: () => harness.database.check() },
      reflection: false,
      drainTimeoutMs: 1_000,
    });
    await harness.index({ tenantId, chunks: [{ text: 'found', vector: seededVector(0) }] });
  });
  after(async () => {
    await server.close();
    await identities.drop();
    await harness.close();
  });

  const clientOf = async (service: string) => {
    const identity = await createServiceIdentity({ service, privateJwkFile: identities.keyFile(service) });
    const authorize = identity.authorize('retrieval');
    return createServiceClient(RetrievalService, { baseUrl: server.url, audience: 'retrieval', authorize });
  };
  const searchAs = async (service: string, principal: Principal) =>
    (await clientOf(service)).search({ query: 'x' }, asPrincipal(principal));

  for (const service of ['gateway', 'llm']) {
    it(`lets ${service} search for a clinician`, async () => {
      const { hits } = await searchAs(service, clinician(tenantId));
      expect(hits.map(({ text }) => text)).to.deep.equal(['found']);
    });
  }

  it('refuses services that are not listed', async () => {
    expect(await reasonOf(searchAs('embedding', clinician(tenantId)))).to.equal('CALLER_NOT_ACCEPTED');
  });

  for (const role of ['auditor', 'analyst', 'platform_admin']) {
    it(`refuses a search by the role ${role}`, async () => {
      const principal: Principal = { ...clinician(tenantId), roles: [role] };
      expect(await reasonOf(searchAs('gateway', principal))).to.equal('PERMISSION_DENIED');
    });
  }

  it('lets ingestion alone remove documents', async () => {
    const { documentId } = await harness.index({ tenantId, chunks: [{ text: 'gone', vector: seededVector(1) }] });
    const byUser = (await clientOf('gateway')).removeDocument({ documentId }, asPrincipal(clinician(tenantId)));
    expect(await reasonOf(byUser)).to.equal('CALLER_NOT_ACCEPTED');
    const bySystem = await (
      await clientOf('ingestion')
    ).removeDocument({ documentId }, asPrincipal(systemPrincipal('ingestion', tenantId)));
    expect(bySystem.removedChunks).to.equal(1);
  });

  it('is not ready while the database is away', async () => {
    const away = await harness.testDatabase.refuseConnections();
    expect((await fetch(`${server.url}/readyz`)).status).to.equal(503);
    await away.accept();
  });
});
