import { expect } from 'chai';
import { createAccessTokenVerifier, createCallerCheck, createPolicy, createServiceIdentity } from '@wardstone/access';
import {
  AppError,
  asPrincipal,
  createInMemoryTransport,
  createServiceClient,
  type Principal,
  type RunningServer,
  startServer,
} from '@wardstone/rpc';
import { EmbeddingService, EmbedKind } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { eventually, testIdentities, type TestIdentities } from '@wardstone/testing';
import { useTestAwsCredentials } from '@wardstone/testing/aws';
import { createLexicalEmbedder, embedText } from '../src/domain/lexical-embedder.ts';
import { passageText } from '../src/domain/passage-text.ts';
import { servedModels } from '../src/domain/served-models.ts';
import type { Deps, EmbeddingModel } from '../src/ports.ts';
import { routes } from '../src/rpc/routes.ts';
import { clinician, type Harness, openHarness, permissiveCheck, quietTelemetry } from './support/harness.ts';
import { openTitanHarness, type TitanHarness } from './support/titan.ts';

const request = { texts: ['metformin 500 mg', 'warfarin'], kind: EmbedKind.QUERY };

describe('Embed: calls in memory', () => {
  let harness: Harness;
  const client = (changed: Partial<Deps> = {}) =>
    createServiceClient(EmbeddingService, {
      baseUrl: 'http://in-memory',
      audience: 'embedding',
      authorize: () => Promise.resolve('token'),
      transport: createInMemoryTransport({
        routes: routes({ ...harness.deps, ...changed }),
        telemetry: quietTelemetry(),
        callerCheck: permissiveCheck,
      }),
    });
  beforeEach(async () => {
    harness = await openHarness();
  });
  afterEach(() => harness.close());

  it('answers with a vector per text, in order, and the model', async () => {
    const response = await client().embed(request, asPrincipal(clinician));
    expect(response.modelId).to.equal('wardstone-lexical-1');
    expect(response.dimensions).to.equal(1024);
    const vectors = response.embeddings.map(({ values }) => Float32Array.from(values));
    expect(vectors).to.deep.equal(request.texts.map((text) => embedText(text, 'query')));
  });

  it('is audited for the principal, without the text', async () => {
    await client().embed(request, asPrincipal(clinician));
    expect(harness.events).to.have.length(1);
    expect(harness.events[0]?.principal.subject).to.equal('user-1');
    expect(harness.events[0]).to.deep.include({
      action: 'embedding.create',
      attributes: { kind: 'query', texts: '2', model: 'wardstone-lexical-1' },
    });
    expect(JSON.stringify(harness.events)).not.to.contain('metformin');
  });

  it('gives nothing while audit is down', async () => {
    harness.faults.audit = true;
    expect(await reasonOf(client().embed(request, asPrincipal(clinician)))).to.equal('AUDIT_UNAVAILABLE');
  });

  for (const [what, bad] of [
    ['no text', { texts: [], kind: EmbedKind.QUERY }],
    ['an empty text', { texts: [''], kind: EmbedKind.QUERY }],
    ['more than 64 texts', { texts: Array.from({ length: 65 }, () => 'x'), kind: EmbedKind.QUERY }],
    ['more than 50,000 bytes', { texts: ['x'.repeat(50_001)], kind: EmbedKind.QUERY }],
    ['no kind', { texts: ['x'], kind: EmbedKind.UNSPECIFIED }],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const call = client().embed({ texts: [...bad.texts], kind: bad.kind }, asPrincipal(clinician));
      expect(await reasonOf(call)).to.equal('INVALID_ARGUMENT');
    });
  }

  it('tells which models are served, the current one first, without asking any and without an event', async () => {
    const other: EmbeddingModel = { ...createLexicalEmbedder(), id: 'another-model' };
    const models = servedModels(createLexicalEmbedder(), [other]);
    const { current, kept } = await client({ models }).getModels({}, asPrincipal(clinician));
    expect(current).to.deep.include({ modelId: 'wardstone-lexical-1', dimensions: 1024 });
    expect(kept.map(({ modelId, dimensions }) => [modelId, dimensions])).to.deep.equal([['another-model', 1024]]);
    expect(harness.events).to.deep.equal([]);
  });

  it('asks the model that is named, of those that are served', async () => {
    const old: EmbeddingModel = { ...createLexicalEmbedder(), id: 'older-model-1' };
    const models = servedModels(createLexicalEmbedder(), [old]);
    const modelOf = async (modelId: string) =>
      (await client({ models }).embed({ ...request, modelId }, asPrincipal(clinician))).modelId;
    expect(await modelOf('older-model-1')).to.equal('older-model-1');
    expect(harness.events.at(-1)?.attributes).to.include({ model: 'older-model-1' });
    for (const current of ['', 'wardstone-lexical-1']) expect(await modelOf(current)).to.equal('wardstone-lexical-1');
    for (const unknown of ['gone-model-1', 'not an id']) {
      expect(await reasonOf(modelOf(unknown))).to.equal('INVALID_ARGUMENT');
    }
  });

  it('puts the title before passages, as the pipeline does, and not before questions', async () => {
    const vectorOf = async (kind: EmbedKind) => {
      const answer = await client().embed({ texts: ['500 mg'], kind, title: 'Metformin' }, asPrincipal(clinician));
      return Float32Array.from(answer.embeddings[0]?.values ?? []);
    };
    const line = { text: '500 mg' };
    const ofPipeline = embedText(passageText({ title: 'Metformin', line }), 'passage');
    expect(await vectorOf(EmbedKind.PASSAGE)).to.deep.equal(ofPipeline);
    expect(await vectorOf(EmbedKind.QUERY)).to.deep.equal(embedText('500 mg', 'query'));
    expect(JSON.stringify(harness.events)).not.to.contain('Metformin');
  });

  it('takes the most that is allowed', async () => {
    const texts = [...Array.from({ length: 63 }, () => 'x'), 'y'.repeat(50_000)];
    const response = await client().embed({ texts, kind: EmbedKind.PASSAGE }, asPrincipal(clinician));
    expect(response.embeddings).to.have.length(64);
  });
});

describe('Embed: calls of Titan', () => {
  useTestAwsCredentials();
  let titan: TitanHarness;
  let harness: Harness;
  const embed = async (options: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
    createServiceClient(EmbeddingService, {
      baseUrl: 'http://in-memory',
      audience: 'embedding',
      authorize: () => Promise.resolve('token'),
      transport: createInMemoryTransport({
        routes: routes(harness.deps),
        telemetry: quietTelemetry(),
        callerCheck: permissiveCheck,
      }),
    }).embed(request, asPrincipal(clinician, options));
  beforeEach(async () => {
    titan = await openTitanHarness();
    harness = await openHarness(titan.model);
  });
  afterEach(async () => {
    await harness.close();
    await titan.close();
  });

  it('say what they took in the audit event of the tenant', async () => {
    await embed();
    expect(harness.events).to.have.length(1);
    expect(harness.events[0]?.principal.tenantId).to.equal(clinician.tenantId);
    expect(harness.events[0]?.attributes).to.deep.equal({
      kind: 'query',
      texts: '2',
      model: 'amazon.titan-embed-text-v2:0/1024',
      input_tokens: '6',
      cost_micro_usd: '0.12',
    });
  });

  it('carry the deadline to the model: what is with it ends there, too', async () => {
    titan.double.fault({ kind: 'stall' });
    expect(await reasonOf(embed({ timeoutMs: 1_000 }))).to.equal('DEADLINE_EXCEEDED');
    await eventually(() => titan.double.calls.length === 2 && titan.double.calls.every(({ aborted }) => aborted));
    expect(harness.events).to.have.length(0);
  });

  it('end at the model when the caller leaves', async () => {
    titan.double.fault({ kind: 'stall' });
    const controller = new AbortController();
    const ended = reasonOf(embed({ signal: controller.signal }));
    await eventually(() => titan.double.concurrent() === 2);
    controller.abort();
    expect(await ended).to.equal('CANCELLED');
    await eventually(() => titan.double.calls.every(({ aborted }) => aborted));
    expect(titan.double.calls).to.have.length(2);
  });

  it('hold a slot of their tenant: one too many is refused, of this tenant and of this kind alone', async () => {
    const deps = { ...harness.deps, limits: { ...harness.deps.limits, maxRequests: 2, tenantSlotPercent: 50 } };
    let caller = clinician;
    const client = createServiceClient(EmbeddingService, {
      baseUrl: 'http://in-memory',
      audience: 'embedding',
      authorize: () => Promise.resolve('token'),
      transport: createInMemoryTransport({
        routes: routes(deps),
        telemetry: quietTelemetry(),
        callerCheck: () => Promise.resolve({ principal: caller, peer: 'retrieval' }),
      }),
    });
    const mend = titan.double.fault({ kind: 'stall' });
    const left = new AbortController();
    const passages = { texts: ['a passage'], kind: EmbedKind.PASSAGE };
    const held = reasonOf(client.embed(passages, asPrincipal(clinician, { signal: left.signal })));
    await eventually(() => titan.double.concurrent() === 1);
    mend();
    expect(await reasonOf(client.embed(passages, asPrincipal(clinician)))).to.equal('RATE_LIMITED');
    expect(await reasonOf(client.embed(request, asPrincipal(clinician)))).to.equal('none');
    caller = { ...clinician, tenantId: 'another-tenant' };
    expect(await reasonOf(client.embed(passages, asPrincipal(caller)))).to.equal('none');
    caller = clinician;
    left.abort();
    expect(await held).to.equal('CANCELLED');
    await eventually(async () => (await reasonOf(client.embed(passages, asPrincipal(clinician)))) === 'none');
  });

  it('say the reason of the model', async () => {
    titan.double.fault({ kind: 'error', type: 'AccessDeniedException' });
    expect(await reasonOf(embed())).to.equal('MODEL_ACCESS_DENIED');
    expect(harness.events).to.have.length(0);
  });
});

describe('Embed: calls over sockets', () => {
  let harness: Harness;
  let identities: TestIdentities;
  let server: RunningServer;

  before(async () => {
    harness = await openHarness();
    identities = await testIdentities(['retrieval', 'llm', 'embedding']);
    server = await startServer({
      service: 'embedding',
      telemetry: quietTelemetry(),
      host: '127.0.0.1',
      port: 0,
      routes: routes(harness.deps),
      callerCheck: createCallerCheck({
        service: 'embedding',
        serviceJwksFile: identities.jwksFile,
        verifyAccessToken: createAccessTokenVerifier({ issuer: 'http://127.0.0.1:9', audience: 'wardstone' }),
        policy: await createPolicy(),
      }),
      dependencies: {},
      reflection: false,
      drainTimeoutMs: 1_000,
    });
  });
  after(async () => {
    await server.close();
    await identities.drop();
    await harness.close();
  });

  async function callAs(service: string, principal: Principal) {
    const identity = await createServiceIdentity({ service, privateJwkFile: identities.keyFile(service) });
    const authorize = identity.authorize('embedding');
    const client = createServiceClient(EmbeddingService, { baseUrl: server.url, audience: 'embedding', authorize });
    return client.embed(request, asPrincipal(principal));
  }

  it('accepts retrieval on behalf of a clinician', async () => {
    const response = await callAs('retrieval', clinician);
    expect(response.embeddings[0]?.values).to.have.length(1024);
  });

  it('refuses a service that is not listed', async () => {
    expect(await reasonOf(callAs('llm', clinician))).to.equal('CALLER_NOT_ACCEPTED');
  });

  it('refuses a principal without the permission, whoever brings it', async () => {
    const auditor: Principal = { ...clinician, roles: ['auditor'] };
    expect(await reasonOf(callAs('retrieval', auditor))).to.equal('PERMISSION_DENIED');
  });
});

async function reasonOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => AppError.from(error).reason,
  );
}
