import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { StageJob } from '@wardstone/queue';
import {
  AppError,
  asPrincipal,
  createInMemoryTransport,
  createServiceClient,
  type CallerCheck,
  type Principal,
} from '@wardstone/rpc';
import { EmbeddingService, EmbedKind } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { useTestAwsCredentials } from '@wardstone/testing/aws';
import { createLexicalEmbedder } from '../src/domain/lexical-embedder.ts';
import { servedModels } from '../src/domain/served-models.ts';
import { embedJob } from '../src/jobs/embed.ts';
import type { Deps, EmbeddingModel } from '../src/ports.ts';
import { routes } from '../src/rpc/routes.ts';
import { job, openHarness, quietTelemetry, type Harness } from './support/harness.ts';
import {
  onRedis,
  brisk,
  openCacheBench,
  openRawRedis,
  openRelay,
  type CacheBench,
  type RawRedis,
  type Relay,
} from './support/redis.ts';
import { openTitanHarness, paidTexts, type TitanHarness } from './support/titan.ts';

const texts = Array.from(
  { length: 70 },
  (_, index) => `Page ${String(index + 1)}: nothing new on round ${String(index)}.`,
);
const never = { signal: new AbortController().signal };

onRedis('cache of vectors: documents and calls', (redisUrl) => {
  useTestAwsCredentials();
  let titan: TitanHarness;
  let relay: Relay;
  let raw: RawRedis;
  let bench: CacheBench;
  let harness: Harness;
  /** Of a tenant that no other test has. */
  let first: StageJob;
  const anotherOf = (of: StageJob, changes: Partial<StageJob> = {}): StageJob => ({
    ...of,
    documentId: randomUUID(),
    ...changes,
  });
  const deps = (): Deps => ({ ...harness.deps, cache: bench.cache });
  /** Runs the stage; gives what was paid for meanwhile, and the audit event. */
  const run = async (of: StageJob, chunks: readonly string[] = texts, model: EmbeddingModel = titan.model) => {
    await harness.writeChunks(chunks, 'Title', of);
    titan.double.forgetCalls();
    await embedJob({ ...deps(), models: servedModels(model, []) })(of, never);
    const { vectors } = await harness.readVectors(of);
    return { paid: paidTexts(titan.double), vectors, event: harness.events.at(-1)?.attributes };
  };
  const embed = async (peer: string, kind: EmbedKind, principal: Principal, asked: readonly string[]) => {
    const callerCheck: CallerCheck = () => Promise.resolve({ principal, peer });
    const client = createServiceClient(EmbeddingService, {
      baseUrl: 'http://in-memory',
      audience: 'embedding',
      authorize: () => Promise.resolve('token'),
      transport: createInMemoryTransport({ routes: routes(deps()), telemetry: quietTelemetry(), callerCheck }),
    });
    titan.double.forgetCalls();
    const { embeddings } = await client.embed({ texts: [...asked], kind, title: 'Title' }, asPrincipal(principal));
    const vectors = embeddings.map(({ values }) => Float32Array.from(values));
    return { vectors, paid: paidTexts(titan.double), event: harness.events.at(-1)?.attributes };
  };
  const service = (): Principal => ({
    subject: 'service:retrieval',
    kind: 'service',
    tenantId: first.tenantId,
    roles: ['service'],
  });
  beforeEach(async () => {
    titan = await openTitanHarness();
    relay = await openRelay(redisUrl);
    raw = openRawRedis(redisUrl);
    bench = await openCacheBench(relay.url);
    harness = await openHarness(titan.model);
    first = anotherOf(job, { tenantId: randomUUID() });
  });
  afterEach(async () => {
    await bench.close();
    await harness.close();
    await titan.close();
    await relay.cut();
    raw.close();
  });

  it('a second document with the same texts sends nothing to the model, and costs nothing', async () => {
    const before = await run(first);
    expect(before.paid).to.have.length(texts.length);
    const second = anotherOf(first);
    const { paid, vectors, event } = await run(second);
    expect(paid).to.deep.equal([]);
    expect(vectors).to.deep.equal(before.vectors);
    expect(event).to.include({ chunks: '70', input_tokens: '0', cost_micro_usd: '0' });
    expect(await bench.count('cached_vectors_total', { result: 'hit' })).to.equal(texts.length);
    // Parts hold what was paid for: of the second one there is none.
    const hasPart = async (of: StageJob) => harness.objects.exists({ ...of, name: 'vectors-parts/0' });
    expect([await hasPart(first), await hasPart(second)]).to.deep.equal([true, false]);
  });

  it('a new version pays for what has changed', async () => {
    await run(first);
    const changed = texts.map((text, index) => (index === 40 ? 'Page 41: a fever.' : text));
    const { paid, vectors, event } = await run({ ...first, version: 2 }, changed);
    expect(paid).to.deep.equal(['Title\nPage 41: a fever.']);
    expect(vectors).to.have.length(texts.length);
    expect(event).to.include({ input_tokens: String(titan.double.calls[0]?.inputTokens) });
  });

  it('a run that is repeated takes what it has paid for from its parts, the rest from the cache', async () => {
    await run(first, texts.slice(0, 20));
    const next = anotherOf(first);
    titan.double.fault({ kind: 'error', type: 'ValidationException' }, { every: 3 });
    const failed: unknown = await run(next).catch((error: unknown) => error);
    expect(failed).to.be.instanceOf(AppError);
    const before = paidTexts(titan.double);
    expect(before).not.to.deep.equal([]);
    titan.double.clearFaults();
    const { paid, event } = await run(next);
    expect(new Set([...before, ...paid])).to.deep.equal(new Set(texts.slice(20).map((text) => `Title\n${text}`)));
    expect(before.length + paid.length).to.equal(50);
    expect(Number(event?.['input_tokens'])).to.be.greaterThan(0);
  });

  it('another tenant pays itself', async () => {
    await run(first);
    const theirs = anotherOf(first, { tenantId: randomUUID() });
    expect((await run(theirs)).paid).to.have.length(texts.length);
    const digests = async ({ tenantId }: StageJob) =>
      (await raw.names(tenantId)).map((name) => name.split(':').at(-1) ?? '');
    const ours = await digests(first);
    expect(ours).to.have.length(texts.length);
    expect((await digests(theirs)).filter((digest) => ours.includes(digest))).to.deep.equal([]);
  });

  it('another size of the model pays itself, and has its own vectors the next time', async () => {
    await run(first);
    const small = titan.modelOf(256);
    const before = await run(anotherOf(first), texts, small);
    expect(before.paid).to.have.length(texts.length);
    const { paid, vectors } = await run(anotherOf(first), texts, small);
    expect(paid).to.deep.equal([]);
    expect(vectors).to.deep.equal(before.vectors);
  });

  it('what cannot be opened is paid for again, and is there the next time', async () => {
    await run(first);
    const [name = ''] = await raw.names(first.tenantId);
    await raw.redis.set(name, 'damaged');
    expect((await run(anotherOf(first))).paid).to.have.length(1);
    expect((await run(anotherOf(first))).paid).to.have.length(0);
    expect(await bench.count('cached_vectors_total', { result: 'unreadable' })).to.equal(1);
  });

  it('a cache that dies in the middle fails no document', async () => {
    await run(first);
    let calls = 0;
    const dying: EmbeddingModel = {
      ...titan.model,
      embed: async (asked, kind, call) => {
        calls += 1;
        if (calls === 10) await relay.cut();
        return titan.model.embed(asked, kind, call);
      },
    };
    const changed = texts.map((text) => `${text} Changed.`);
    const { vectors, paid } = await run(anotherOf(first), changed, dying);
    expect([vectors.length, paid.length]).to.deep.equal([texts.length, texts.length]);
    // And one that is not there at all.
    expect((await run(anotherOf(first))).paid).to.have.length(texts.length);
  });

  it('a cache that is silent fails no document', async () => {
    await bench.close();
    bench = await openCacheBench(relay.url, { tuning: brisk });
    relay.hush();
    expect((await run(first)).vectors).to.have.length(texts.length);
  });

  it('a model that costs nothing is asked always, and nothing of it is kept', async () => {
    await run(first, texts, createLexicalEmbedder());
    harness = { ...harness, deps: { ...harness.deps, models: servedModels(createLexicalEmbedder(), []) } };
    await embed('retrieval', EmbedKind.PASSAGE, service(), texts.slice(0, 3));
    expect(await raw.names(first.tenantId)).to.deep.equal([]);
  });

  it('passages that retrieval embeds anew are found and kept, as those of documents', async () => {
    const before = await run(first, texts.slice(0, 3));
    const { vectors, paid, event } = await embed('retrieval', EmbedKind.PASSAGE, service(), texts.slice(0, 5));
    expect([...paid].sort()).to.deep.equal(texts.slice(3, 5).map((text) => `Title\n${text}`));
    expect(vectors.slice(0, 3)).to.deep.equal(before.vectors);
    expect(event).to.include({ texts: '5' });
    const again = await embed('retrieval', EmbedKind.PASSAGE, service(), texts.slice(0, 5));
    expect([again.paid, again.vectors]).to.deep.equal([[], vectors]);
    expect(again.event).to.include({ input_tokens: '0' });
    expect((await run(anotherOf(first), texts.slice(0, 5))).paid).to.deep.equal([]);
  });

  it('passages of programs pass it by: none learns from the time of a call what is known, nor fills it', async () => {
    await run(first, texts.slice(0, 2));
    const program: Principal = { ...service(), subject: 'client-1' };
    const { paid } = await embed('client', EmbedKind.PASSAGE, program, texts.slice(1, 4));
    expect(paid).to.have.length(3);
    expect(await raw.names(first.tenantId)).to.have.length(2);
  });

  it('questions pass it by', async () => {
    for (let time = 0; time < 2; time += 1) {
      expect((await embed('retrieval', EmbedKind.QUERY, service(), ['Which dose?'])).paid).to.have.length(1);
    }
    expect(await raw.names(first.tenantId)).to.deep.equal([]);
    expect(await bench.count('cached_vectors_total', { result: 'hit' })).to.equal(0);
  });

  it('calls do not need the keys: without them every text is paid for', async () => {
    bench.keys.before = () => Promise.reject(new AppError('KEY_UNAVAILABLE'));
    const { vectors, paid } = await embed('retrieval', EmbedKind.PASSAGE, service(), texts.slice(0, 3));
    expect([vectors.length, paid.length]).to.deep.equal([3, 3]);
  });
});
