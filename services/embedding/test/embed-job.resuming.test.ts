import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { createAdaptiveLimit } from '../src/domain/adaptive-limit.ts';
import { createLexicalEmbedder, embedText } from '../src/domain/lexical-embedder.ts';
import { servedModels } from '../src/domain/served-models.ts';
import { partTexts } from '../src/domain/vectors-part.ts';
import { embedJob } from '../src/jobs/embed.ts';
import type { EmbedCall, EmbeddingModel } from '../src/ports.ts';
import { type Harness, job, openHarness } from './support/harness.ts';

const texts = Array.from({ length: 3 * partTexts + 5 }, (_, index) => `Passage ${String(index)} of the document.`);
const passages = texts.map((text) => `Title\n${text}`);
const running = { signal: new AbortController().signal };

/** What a text costs here: ten tokens, at 20 micro USD for a thousand. */
const usage = { inputTokens: 10, costMicroUsd: 0.2 };

/** A model that is paid for each text, takes eight at a time, and counts what it was paid for. */
class PaidModel implements EmbeddingModel {
  readonly id: string;
  readonly dimensions = 1024;
  readonly metered = true;
  /** Texts that were answered, in order. */
  readonly paid: string[] = [];
  /** Texts that came to their turn. */
  asked = 0;
  readonly #limit = createAdaptiveLimit({ max: 8, initial: 8, maxWaiting: 1_000, maxWaitingPerTenant: 1_000 });
  /** Before each answer, with how many there were before. */
  before: (text: string, call: EmbedCall) => Promise<void> = () => Promise.resolve();

  constructor(id = 'paid-1') {
    this.id = id;
  }

  async embed(asked: readonly string[], kind: 'passage' | 'query', call: EmbedCall) {
    call.signal?.throwIfAborted();
    const [text = '', ...others] = asked;
    expect(others).to.deep.equal([]);
    const leave = await this.#limit.enter({ first: false, tenantId: call.tenantId }, call.signal);
    try {
      this.asked += 1;
      await this.before(text, call);
    } finally {
      leave('done');
    }
    this.paid.push(text);
    return { vectors: [embedText(text, kind)], usage };
  }
}

describe('embed job: resuming with a model that costs', () => {
  let harness: Harness;
  let model: PaidModel;
  const run = async (signal = running.signal, of: EmbeddingModel = model) =>
    embedJob({ ...harness.deps, models: servedModels(of, []) })(job, { signal });
  beforeEach(async () => {
    model = new PaidModel();
    harness = await openHarness(model);
    await harness.writeChunks(texts);
  });
  afterEach(() => harness.close());

  it('asks for each text once, by itself, and writes the vectors in order', async () => {
    await run();
    expect([...model.paid].sort()).to.deep.equal([...passages].sort());
    const { modelId, vectors } = await harness.readVectors();
    expect(modelId).to.equal('paid-1');
    expect(vectors).to.deep.equal(passages.map((text) => embedText(text, 'passage')));
  });

  it('says in the audit event what the document took', async () => {
    await run();
    expect(harness.events[0]?.attributes).to.deep.equal({
      stage: 'embed',
      chunks: '101',
      model: 'paid-1',
      input_tokens: '1010',
      cost_micro_usd: '20.2',
    });
  });

  it('says the same after a run that was cut off before its event', async () => {
    harness.faults.audit = true;
    expect(await reasonOf(run())).to.equal('AUDIT_UNAVAILABLE');
    harness.faults.audit = false;
    await run();
    expect(harness.events[0]?.attributes).to.include({ input_tokens: '1010', cost_micro_usd: '20.2' });
    expect(model.paid).to.have.length(texts.length);
  });

  it('pays for no text twice when the model fails again and again', async () => {
    model.before = () =>
      model.asked % 3 === 0 ? Promise.reject(new AppError('MODEL_UNAVAILABLE')) : Promise.resolve();
    let runs = 1;
    for (; (await reasonOf(run())) === 'MODEL_UNAVAILABLE'; runs += 1) expect(runs).to.be.lessThan(20);
    expect(runs).to.be.greaterThan(2);
    expect(model.paid).to.have.length(texts.length);
    expect(new Set(model.paid)).to.deep.equal(new Set(passages));
    expect((await harness.readVectors()).vectors).to.have.length(texts.length);
    expect(harness.events[0]?.attributes).to.include({ input_tokens: '1010' });
  });

  it('pays for no text twice when the job is ended in the middle: what is with the model may come in', async () => {
    const controller = new AbortController();
    const held: (() => void)[] = [];
    model.before = async (_text, { signal }) => {
      if (model.asked < 40) return;
      await new Promise<void>((resolve) => held.push(resolve));
      expect(signal?.aborted).to.equal(true);
    };
    const ended = reasonOf(run(controller.signal));
    await eventually(() => held.length === 8);
    controller.abort(new Error('job lost'));
    for (const resume of held) resume();
    expect(await ended).to.equal('CANCELLED');
    // Those before the ones that were held, and those.
    expect(model.paid).to.have.length(39 + 8);
    model.before = () => Promise.resolve();
    await run();
    expect(new Set(model.paid)).to.deep.equal(new Set(passages));
    expect(model.paid).to.have.length(texts.length);
  });

  it('leaves a model that hangs when the job is ended', async () => {
    const controller = new AbortController();
    model.before = async (_text, { upstreamSignal }) => {
      if (model.asked < 40) return;
      await new Promise((_resolve, reject) => {
        upstreamSignal?.addEventListener('abort', () => reject(upstreamSignal.reason as Error));
      });
    };
    const ended = reasonOf(run(controller.signal));
    await eventually(() => model.asked === 39 + 8);
    controller.abort(new Error('job lost'));
    expect(await ended).to.equal('CANCELLED');
    expect(model.paid).to.have.length(39);
    model.before = () => Promise.resolve();
    await run();
    expect(model.paid).to.have.length(texts.length);
  });

  it('uses nothing of another model', async () => {
    model.before = () => (model.asked === 70 ? Promise.reject(new AppError('MODEL_UNAVAILABLE')) : Promise.resolve());
    expect(await reasonOf(run())).to.equal('MODEL_UNAVAILABLE');
    const other = new PaidModel('paid-2');
    await run(running.signal, other);
    expect(other.paid).to.have.length(texts.length);
    expect((await harness.readVectors()).modelId).to.equal('paid-2');
  });

  it('uses of other chunks only what they have in common', async () => {
    await run();
    const changed = texts.map((text, index) => (index === 40 ? 'Another passage.' : text));
    await harness.writeChunks([...changed, 'One more.']);
    model.paid.length = 0;
    await run();
    expect([...model.paid].sort()).to.deep.equal(['Title\nAnother passage.', 'Title\nOne more.']);
  });

  it('makes anew what was kept and cannot be opened', async () => {
    harness.faults.audit = true;
    expect(await reasonOf(run())).to.equal('AUDIT_UNAVAILABLE');
    await harness.objects.remove({ ...job, name: 'vectors' });
    await harness.corrupt('vectors-parts/1');
    harness.faults.audit = false;
    await run();
    expect(model.paid).to.have.length(texts.length + partTexts);
    expect((await harness.readVectors()).vectors).to.have.length(texts.length);
  });

  it('keeps nothing of a model that costs nothing', async () => {
    await run(running.signal, createLexicalEmbedder());
    expect(await harness.objects.exists({ ...job, name: 'vectors-parts/0' })).to.equal(false);
  });
});

async function reasonOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => AppError.from(error).reason,
  );
}
