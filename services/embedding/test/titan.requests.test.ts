import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { useTestAwsCredentials } from '@wardstone/testing/aws';
import { estimateTokens } from '../src/domain/tokens.ts';
import { embeddingModelContract } from './support/embedding-model.contract.ts';
import { openTitanHarness, paidTexts, textOf, titanId, type TitanHarness } from './support/titan.ts';

const call = { tenantId: 'tenant-a' };
const sentence = 'Metformin 500 mg was started twice daily for type 2 diabetes. ';

describe('Titan: contract', () => {
  useTestAwsCredentials();
  let titan: TitanHarness;
  before(async () => {
    titan = await openTitanHarness();
  });
  after(() => titan.close());
  embeddingModelContract(() => titan.model);
});

describe('Titan: requests', () => {
  useTestAwsCredentials();
  let titan: TitanHarness;
  before(async () => {
    titan = await openTitanHarness();
  });
  beforeEach(() => {
    titan.double.clearFaults();
    titan.double.forgetCalls();
  });
  after(() => titan.close());

  it('are one for each text, of a normalised vector of the size that is configured', async () => {
    await titan.model.embed(['one', 'two'], 'passage', call);
    expect(titan.double.calls.map(({ operation, model, body }) => ({ operation, model, body }))).to.have.deep.members(
      ['one', 'two'].map((inputText) => ({
        operation: 'InvokeModel',
        model: titanId,
        body: { inputText, dimensions: 1024, normalize: true },
      })),
    );
  });

  it('are told in tokens and in money', async () => {
    const { usage } = await titan.model.embed(['x'.repeat(4_000), 'x'.repeat(10)], 'query', call);
    expect(usage).to.deep.equal({ inputTokens: 1_003, costMicroUsd: 20.06 });
  });

  for (const dimensions of [512, 256] as const) {
    it(`of ${String(dimensions)} dimensions are filled up with zeros, under an id of their own`, async () => {
      const small = titan.modelOf(dimensions);
      expect([small.id, small.dimensions]).to.deep.equal([`${titanId}/${String(dimensions)}`, 1024]);
      const [a, b] = (await small.embed([sentence, `${sentence} Insulin.`], 'passage', call)).vectors;
      expect(a).to.have.length(1024);
      expect(a?.subarray(dimensions).every((value) => value === 0)).to.equal(true);
      expect(cosine(a, a)).to.be.closeTo(1, 1e-5);
      expect(cosine(a, b)).to.be.greaterThan(0.5).and.lessThan(1);
      expect(titan.double.calls[0]?.body['dimensions']).to.equal(dimensions);
    });
  }

  it('stay within 8,192 tokens and 50,000 characters, and leave nothing of a text out', async () => {
    const text = sentence.repeat(1_300);
    const { usage } = await titan.model.embed([text], 'passage', call);
    const parts = titan.double.calls.map(textOf);
    expect(parts.length).to.be.greaterThan(1);
    for (const part of parts) {
      expect(estimateTokens(part)).to.be.at.most(8_000);
      expect(part.length).to.be.at.most(50_000);
    }
    expect([...parts].join('').length).to.equal(text.length);
    expect(titan.double.calls.every(({ status }) => status === 200)).to.equal(true);
    expect(usage.inputTokens).to.equal(titan.double.calls.reduce((sum, { inputTokens }) => sum + inputTokens, 0));
    expect(await titan.registry.metrics()).to.match(/wardstone_embedding_split_texts_total [1-9]/);
  });

  it('are halved when the model counts more tokens than was estimated', async () => {
    const message = '400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9000';
    titan.double.fault({ kind: 'error', type: 'ValidationException', message }, { next: 3 });
    const [vector] = (await titan.model.embed([sentence.repeat(40)], 'passage', call)).vectors;
    expect(cosine(vector, vector)).to.be.closeTo(1, 1e-5);
    // The whole and two of its parts were refused, and their parts taken.
    const statuses = titan.double.calls.map(({ status }) => status);
    expect(statuses.filter((status) => status === 400)).to.have.length(3);
    expect(statuses.length).to.be.within(6, 12);
    expect(paidTexts(titan.double).join('').length).to.equal(sentence.length * 40);
  });

  it('end with TEXT_TOO_LARGE when no part is short enough for the model', async () => {
    titan.double.fault({ kind: 'error', type: 'ValidationException', message: 'Too many input tokens.' });
    expect(await reasonOf(titan.model.embed(['one two three'], 'query', call))).to.equal('TEXT_TOO_LARGE');
    expect(titan.double.calls.length).to.be.lessThan(64);
  });

  it('share a few connections', async () => {
    await titan.model.embed(
      Array.from({ length: 100 }, (_, index) => `text ${String(index)}`),
      'passage',
      call,
    );
    expect(titan.double.connections()).to.be.lessThan(8);
  });

  it('of others in the same call end when one has failed', async () => {
    titan.double.fault({ kind: 'error', type: 'AccessDeniedException' }, { next: 1 });
    const texts = Array.from({ length: 500 }, (_, index) => `text ${String(index)}`);
    expect(await reasonOf(titan.model.embed(texts, 'passage', call))).to.equal('MODEL_ACCESS_DENIED');
    // What would go on goes on between these.
    for (let at = 0; at < 10; at += 1) await titan.model.embed(['another'], 'passage', { tenantId: 'tenant-b' });
    await eventually(() => titan.double.concurrent() === 0);
    expect(titan.double.calls.map(textOf).filter((text) => text !== 'another')).to.have.length.below(50);
  });

  it('end at Bedrock when the caller leaves', async () => {
    titan.double.fault({ kind: 'stall' });
    const controller = new AbortController();
    const work = titan.model.embed(['a question'], 'query', { ...call, signal: controller.signal });
    const ended = work.catch((error: unknown) => error);
    await eventually(() => titan.double.concurrent() === 1);
    controller.abort(new Error('left'));
    expect(await ended).to.have.property('message', 'left');
    await eventually(() => titan.double.calls.length === 1 && titan.double.calls[0]?.aborted === true);
  });
});

async function reasonOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => AppError.from(error).reason,
  );
}

function cosine(a: Float32Array | undefined, b: Float32Array | undefined): number {
  return [...(a ?? [])].reduce((sum, value, index) => sum + value * (b?.[index] ?? 0), 0);
}
