import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { createLexicalEmbedder, embedText } from '../src/domain/lexical-embedder.ts';
import { servedModels } from '../src/domain/served-models.ts';
import { embedJob } from '../src/jobs/embed.ts';
import type { Embedded, EmbeddingModel } from '../src/ports.ts';
import { documentId, type Harness, job, openHarness } from './support/harness.ts';

const texts = Array.from(
  { length: 11 },
  (_, index) => `Passage ${String(index)} tells of condition number ${String(index)}.`,
);
const running = { signal: new AbortController().signal };

describe('embed job: artefacts', () => {
  let harness: Harness;
  afterEach(() => harness.close());

  it('writes one vector per chunk, in order, of title and text', async () => {
    harness = await openHarness();
    await harness.writeChunks(texts, 'Conditions');
    await embedJob(harness.deps)(job, running);
    const { modelId, vectors } = await harness.readVectors();
    expect(modelId).to.equal('wardstone-lexical-1');
    expect(vectors).to.deep.equal(texts.map((text) => embedText(`Conditions\n${text}`, 'passage')));
  });

  it('leaves an audit event in the name of the service, and reports progress', async () => {
    harness = await openHarness();
    await harness.writeChunks(texts);
    await embedJob(harness.deps)(job, running);
    expect(harness.events).to.have.length(1);
    expect(harness.events[0]).to.deep.include({
      action: 'document.process',
      resourceIds: [documentId],
      outcome: 'success',
      attributes: { stage: 'embed', chunks: '11', model: 'wardstone-lexical-1' },
    });
    expect(harness.events[0]?.principal.subject).to.equal('service:embedding');
    expect([harness.reports.at(0), harness.reports.at(-1)]).to.deep.equal([0, 100]);
  });

  it('keeps the order although calls end out of order, with a bounded number in flight', async () => {
    let [inFlight, most] = [0, 0];
    const waiting: (() => void)[] = [];
    harness = await openHarness(
      wrap(async (batch, embed) => {
        inFlight += 1;
        most = Math.max(most, inFlight);
        // The first calls wait until as many as may run are running, then end last come, first served.
        if (waiting.length < 2 && most < 3) await new Promise<void>((resolve) => waiting.unshift(resolve));
        else for (const resume of waiting.splice(0)) resume();
        inFlight -= 1;
        return embed(batch);
      }),
    );
    await harness.writeChunks(texts);
    await embedJob(harness.deps)(job, running);
    expect((await harness.readVectors()).vectors).to.deep.equal(
      texts.map((text) => embedText(`Title\n${text}`, 'passage')),
    );
    expect(most).to.equal(3);
  });

  it('does nothing twice: what an earlier run has written is kept', async () => {
    let calls = 0;
    harness = await openHarness(
      wrap((batch, embed) => {
        calls += 1;
        return embed(batch);
      }),
    );
    await harness.writeChunks(texts);
    await embedJob(harness.deps)(job, running);
    expect(calls).to.equal(6);
    await embedJob(harness.deps)(job, running);
    expect(calls).to.equal(6);
  });

  it('replaces vectors of another model or count', async () => {
    harness = await openHarness();
    await harness.writeChunks(texts.slice(0, 2));
    const other = servedModels({ ...createLexicalEmbedder(), id: 'other' }, []);
    await embedJob({ ...harness.deps, models: other })(job, running);
    expect((await harness.readVectors()).modelId).to.equal('other');
    await embedJob(harness.deps)(job, running);
    expect((await harness.readVectors()).modelId).to.equal('wardstone-lexical-1');
    await harness.writeChunks(texts);
    await embedJob(harness.deps)(job, running);
    expect((await harness.readVectors()).vectors).to.have.length(11);
  });

  it('leaves nothing behind when the model fails in the middle', async () => {
    let calls = 0;
    harness = await openHarness(
      wrap((batch, embed) => {
        calls += 1;
        return calls === 2 ? Promise.reject(new AppError('MODEL_UNAVAILABLE')) : embed(batch);
      }),
    );
    await harness.writeChunks(texts);
    expect(await reasonOf(embedJob(harness.deps)(job, running))).to.equal('MODEL_UNAVAILABLE');
    expect(await harness.objects.exists({ ...job, name: 'vectors' })).to.equal(false);
    expect(harness.events).to.have.length(0);
    await embedJob(harness.deps)(job, running);
    expect((await harness.readVectors()).vectors).to.have.length(11);
  });

  it('says DOCUMENT_NOT_FOUND when the chunks are gone', async () => {
    harness = await openHarness();
    expect(await reasonOf(embedJob(harness.deps)(job, running))).to.equal('DOCUMENT_NOT_FOUND');
  });

  it('does not end without its audit event', async () => {
    harness = await openHarness();
    await harness.writeChunks(texts);
    harness.faults.audit = true;
    expect(await reasonOf(embedJob(harness.deps)(job, running))).to.equal('AUDIT_UNAVAILABLE');
    harness.faults.audit = false;
    await embedJob(harness.deps)(job, running);
    expect(harness.events).to.have.length(1);
  });

  it('stops with the signal', async () => {
    const controller = new AbortController();
    harness = await openHarness(
      wrap((batch, embed) => {
        controller.abort(new Error('job lost'));
        return embed(batch);
      }),
    );
    await harness.writeChunks(texts);
    await embedJob(harness.deps)(job, { signal: controller.signal }).then(
      () => expect.fail('the job ended well'),
      () => undefined,
    );
    expect(await harness.objects.exists({ ...job, name: 'vectors' })).to.equal(false);
  });
});

type Embed = (texts: readonly string[]) => Promise<Embedded>;

/** The lexical model with something around each call. */
function wrap(around: (texts: readonly string[], embed: Embed) => Promise<Embedded>): EmbeddingModel {
  const model = createLexicalEmbedder();
  return {
    ...model,
    embed: (batch, kind, call) => around(batch, (inner) => model.embed(inner, kind, call)),
  };
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => AppError.from(error).reason,
  );
}
