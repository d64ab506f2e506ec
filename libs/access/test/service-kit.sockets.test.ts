import { type Principal, AppError, asPrincipal, callContext, type RunningServer } from '@wardstone/rpc';
import { EmbedKind, EmbeddingService } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { eventually, startTestIssuer, testIdentities } from '@wardstone/testing';
import { expect } from 'chai';
import { createServiceKit, type NewAuditEvent, type ProgramConfig, createProgramKit } from '../src/index.ts';
import { reasonOf, tenantA } from './support.ts';

const clinician: Principal = { subject: 'user-1', kind: 'user', tenantId: tenantA, roles: ['clinician'] };
const auditor: Principal = { ...clinician, roles: ['auditor'] };
const request = { texts: ['a'], kind: EmbedKind.PASSAGE };

describe('service kit over real sockets', () => {
  let identities: Awaited<ReturnType<typeof testIdentities>>;
  let issuer: Awaited<ReturnType<typeof startTestIssuer>>;
  let kit: ReturnType<typeof createServiceKit>;
  let server: RunningServer;
  const seen: string[] = [];
  const denials: (NewAuditEvent & { readonly requestId: string })[] = [];
  const auditLog = { isDown: false };
  const tenants = { areKnown: true };

  const configOf = (service: string): ProgramConfig => ({
    WARDSTONE_HOST: '127.0.0.1',
    WARDSTONE_PORT: 0,
    WARDSTONE_LOG_LEVEL: 'silent',
    WARDSTONE_SERVICE_KEY_FILE: identities.keyFile(service),
    WARDSTONE_OIDC_ISSUER: issuer.issuer,
    WARDSTONE_OIDC_CLIENT_IDS: [],
    WARDSTONE_OIDC_AUDIENCE: issuer.audience,
    WARDSTONE_OIDC_JWKS_URI: issuer.jwksUri,
    WARDSTONE_DRAIN_TIMEOUT_MS: 1_000,
  });

  before(async () => {
    [identities, issuer] = await Promise.all([testIdentities(), startTestIssuer()]);
    const served = { WARDSTONE_SERVICE_JWKS_FILE: identities.jwksFile, WARDSTONE_REFLECTION: false };
    kit = createServiceKit('embedding', { ...configOf('embedding'), ...served });
    server = await kit.serve({
      routes: (router) =>
        router.service(EmbeddingService, {
          embed: (_request, ctx) => {
            const { peer, principal } = callContext(ctx);
            seen.push(`${principal.subject} through ${peer}`);
            return { modelId: 'test', dimensions: 1, embeddings: [{ values: [1] }] };
          },
        }),
      onDenied: kit.recordDenials({
        record: ({ requestId }, event) => {
          denials.push({ ...event, requestId });
          return auditLog.isDown ? Promise.reject(new AppError('AUDIT_UNAVAILABLE')) : Promise.resolve();
        },
      }),
      gate: {
        check: () => undefined,
        ready: () => (tenants.areKnown ? Promise.resolve() : Promise.reject(new AppError('SERVICE_UNAVAILABLE'))),
      },
      dependencies: {},
    });
  });
  after(async () => {
    await server.close();
    await kit.close();
    await issuer.close();
    await identities.drop();
  });

  /** A client as another program's kit makes it. */
  async function clientOf(program: string) {
    const peers = await createProgramKit(program, configOf(program)).peers({ defaultTimeoutMs: 5_000 });
    return peers.connect(EmbeddingService, 'embedding', server.url);
  }

  it('serves the peers that a method lists, each by its own identity, for the principal inside', async () => {
    const retrieval = await clientOf('retrieval');
    await retrieval.embed(request, asPrincipal(clinician));
    expect(seen).to.deep.equal(['user-1 through retrieval']);
  });

  it('accepts what the identity provider signed for a client', async () => {
    const token = await issuer.token({ subject: 'builder-1', client: true, tenantId: tenantA, roles: ['builder'] });
    expect(await kit.verifyAccessToken(token)).to.include({ subject: 'builder-1', tenantId: tenantA });
  });

  it('refuses the others and records it under the id of the request, whether or not audit is there', async () => {
    const llm = await clientOf('llm');
    const retrieval = await clientOf('retrieval');
    const call = (principal: Principal) => asPrincipal(principal, { requestId: 'request-1' });
    expect(await reasonOf(llm.embed(request, call(clinician)))).to.equal('CALLER_NOT_ACCEPTED');
    auditLog.isDown = true;
    expect(await reasonOf(retrieval.embed(request, call(auditor)))).to.equal('PERMISSION_DENIED');
    expect(denials.map(({ action, reason, requestId }) => [action, reason, requestId])).to.deep.equal([
      ['embedding.create', 'CALLER_NOT_ACCEPTED', 'request-1'],
      ['embedding.create', 'PERMISSION_DENIED', 'request-1'],
    ]);
    expect(seen).to.have.length(1);
  });

  it('is not ready before it knows which tenants are closed', async () => {
    for (const [areKnown, status, state] of [
      [false, 503, 'down'],
      [true, 200, 'up'],
    ] as const) {
      tenants.areKnown = areKnown;
      // The answer of a check is kept for a second.
      await eventually(async () => (await fetch(`${server.url}/readyz`)).status === status, { description: state });
      const body: unknown = await (await fetch(`${server.url}/readyz`)).json();
      expect(body).to.deep.include({ dependencies: { tenants: state } });
    }
  });

  it('does not give a program the identity of another', async () => {
    const borrowed = createProgramKit('llm', configOf('retrieval'));
    expect(await reasonOf(borrowed.peers())).to.equal('INTERNAL');
  });
});
