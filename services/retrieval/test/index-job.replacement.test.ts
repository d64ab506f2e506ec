import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { vectorsArtefact } from '@wardstone/queue';
import { AppError, asPrincipal } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { indexJob } from '../src/jobs/index-document.ts';
import type { Deps } from '../src/ports.ts';
import {
  as,
  clinician,
  type Harness,
  modelId,
  openHarness,
  reasonOf,
  running,
  seededVector,
} from './support/harness.ts';

const chunksOf = (word: string, count: number) =>
  Array.from({ length: count }, (_, at) => ({ text: `${word} ${String(at)}`, vector: seededVector(at) }));

describe('index job: replacement', () => {
  let harness: Harness;
  let tenantId: string;
  before(async () => {
    harness = await openHarness();
  });
  beforeEach(() => {
    tenantId = uuidv7();
    harness.faults.audit = false;
  });
  after(() => harness.close());

  const words = async (): Promise<string[]> => {
    const { hits } = await harness.client.search({ query: 'x', topK: 100 }, as(tenantId));
    return [...new Set(hits.map(({ text, version }) => `${text.split(' ')[0] ?? ''} v${String(version)}`))];
  };
  const rowsOf = async (documentId: string) =>
    (await harness.testDatabase.query('select ordinal from retrieval.chunk where document_id = $1', [documentId]))
      .length;

  it('writes each chunk once however often it runs', async () => {
    const job = await harness.index({ tenantId, chunks: chunksOf('one', 150) });
    await indexJob(harness.deps)(job, running);
    expect(await rowsOf(job.documentId)).to.equal(150);
  });

  it('replaces the old version whole', async () => {
    const { documentId } = await harness.index({ tenantId, chunks: chunksOf('old', 90) });
    await harness.index({ tenantId, documentId, version: 2, chunks: chunksOf('new', 3) });
    expect(await words()).to.deep.equal(['new v2']);
    expect(await rowsOf(documentId)).to.equal(3);
  });

  it('does not let an older version replace a newer one', async () => {
    const { documentId } = await harness.index({ tenantId, version: 5, chunks: chunksOf('new', 3) });
    await harness.index({ tenantId, documentId, version: 4, chunks: chunksOf('old', 9) });
    expect(await words()).to.deep.equal(['new v5']);
  });

  it('indexes a document without chunks', async () => {
    const { documentId } = await harness.index({ tenantId, chunks: chunksOf('old', 3) });
    await harness.index({ tenantId, documentId, version: 2, chunks: [] });
    expect(await words()).to.deep.equal([]);
  });

  it('leaves the old version when it fails in the middle', async () => {
    const { documentId } = await harness.index({ tenantId, chunks: chunksOf('old', 3) });
    const job = await harness.writeArtefacts({ tenantId, documentId, version: 2, chunks: chunksOf('new', 200) });
    let seals = 0;
    const keys: Deps['keys'] = {
      ...harness.deps.keys,
      current: async (tenant, purpose) => {
        seals += 1;
        if (seals > 130) throw new AppError('KEY_UNAVAILABLE');
        return harness.deps.keys.current(tenant, purpose);
      },
    };
    expect(await reasonOf(indexJob({ ...harness.deps, keys })(job, running))).to.equal('KEY_UNAVAILABLE');
    expect(seals).to.be.greaterThan(130);
    expect(await words()).to.deep.equal(['old v1']);
    await indexJob(harness.deps)(job, running);
    expect(await words()).to.deep.equal(['new v2']);
  });

  it('leaves the old version when its connection is killed in the middle, and no lock', async () => {
    const { documentId } = await harness.index({ tenantId, chunks: chunksOf('old', 3) });
    const job = await harness.writeArtefacts({ tenantId, documentId, version: 2, chunks: chunksOf('new', 200) });
    let killed = false;
    const progress = {
      report: (_job: unknown, percent: number) => {
        if (percent > 0 && percent < 100) killed = true;
      },
    };
    const keys: Deps['keys'] = {
      ...harness.deps.keys,
      current: async (tenant, purpose) => {
        // The first batch stands in the transaction: this is the middle.
        if (killed) await harness.testDatabase.terminateConnections();
        return harness.deps.keys.current(tenant, purpose);
      },
    };
    expect(await reasonOf(indexJob({ ...harness.deps, keys, progress })(job, running))).to.equal(
      'DATABASE_UNAVAILABLE',
    );
    expect(killed).to.equal(true);
    expect(await words()).to.deep.equal(['old v1']);
    await indexJob(harness.deps)(job, running);
    expect(await words()).to.deep.equal(['new v2']);
  });

  it('shows readers the old version until it is done', async () => {
    const { documentId } = await harness.index({ tenantId, chunks: chunksOf('old', 3) });
    const job = await harness.writeArtefacts({ tenantId, documentId, version: 2, chunks: chunksOf('new', 150) });
    const seen: Promise<string[]>[] = [];
    const progress = { report: (_job: unknown, percent: number) => void (percent < 100 && seen.push(words())) };
    await indexJob({ ...harness.deps, progress })(job, running);
    const answers = await Promise.all(seen);
    expect(answers.length).to.be.greaterThan(2);
    for (const answer of answers) expect(['old v1', 'new v2']).to.include(answer.join());
    expect(answers[0]).to.deep.equal(['old v1']);
    expect(await words()).to.deep.equal(['new v2']);
  });

  it('lets two jobs of one document write one after the other', async () => {
    const first = await harness.writeArtefacts({ tenantId, chunks: chunksOf('one', 100) });
    const { documentId } = first;
    const second = await harness.writeArtefacts({ tenantId, documentId, version: 2, chunks: chunksOf('two', 100) });
    const run = indexJob(harness.deps);
    await Promise.all([run(first, running), run(second, running), run(first, running), run(second, running)]);
    expect(await words()).to.deep.equal(['two v2']);
    expect(await rowsOf(documentId)).to.equal(100);
  });

  it('stops with the signal, and leaves the old version', async () => {
    const { documentId } = await harness.index({ tenantId, chunks: chunksOf('old', 3) });
    const job = await harness.writeArtefacts({ tenantId, documentId, version: 2, chunks: chunksOf('new', 200) });
    const controller = new AbortController();
    const progress = { report: (_job: unknown, percent: number) => void (percent > 0 && controller.abort()) };
    const outcome = await reasonOf(indexJob({ ...harness.deps, progress })(job, { signal: controller.signal }));
    expect(outcome).to.equal('CANCELLED');
    expect(await words()).to.deep.equal(['old v1']);
  });

  it('refuses vectors that do not belong to the chunks', async () => {
    const { documentId } = await harness.index({ tenantId, chunks: chunksOf('old', 3) });
    for (const [count, vectors] of [
      [2, [seededVector(0), seededVector(1)]],
      [4, [0, 1, 2, 3].map(seededVector)],
      [3, [seededVector(0), seededVector(1), new Float32Array(1024)]],
      [3, [seededVector(0), seededVector(1), new Float32Array(1024).fill(Number.NaN)]],
    ] as const) {
      const job = await harness.writeArtefacts({ tenantId, documentId, version: 2, chunks: chunksOf('new', 3) });
      const header = { kind: 'vectors', modelId, dimensions: 1024, count } as const;
      await harness.objects.writeJsonLines({ ...job, name: 'vectors' }, vectorsArtefact(header, vectors));
      expect(await reasonOf(indexJob(harness.deps)(job, running))).to.equal('INTERNAL');
    }
    expect(await words()).to.deep.equal(['old v1']);
  });

  it('refuses vectors of other dimensions', async () => {
    const job = await harness.writeArtefacts({ tenantId, chunks: chunksOf('new', 1) });
    const header = { kind: 'vectors', modelId, dimensions: 2, count: 1 } as const;
    const lines = vectorsArtefact(header, [Float32Array.of(1, 0)]);
    await harness.objects.writeJsonLines({ ...job, name: 'vectors' }, lines);
    expect(await reasonOf(indexJob(harness.deps)(job, running))).to.equal('INTERNAL');
  });

  it('says DOCUMENT_NOT_FOUND when an artefact is gone', async () => {
    const job = await harness.writeArtefacts({ tenantId, chunks: chunksOf('new', 1) });
    await harness.objects.remove({ ...job, name: 'vectors' });
    expect(await reasonOf(indexJob(harness.deps)(job, running))).to.equal('DOCUMENT_NOT_FOUND');
  });

  it('is audited in the name of the service, and does not end before', async () => {
    const job = await harness.writeArtefacts({ tenantId, chunks: chunksOf('new', 2) });
    harness.faults.audit = true;
    expect(await reasonOf(indexJob(harness.deps)(job, running))).to.equal('AUDIT_UNAVAILABLE');
    harness.faults.audit = false;
    harness.events.length = 0;
    await indexJob(harness.deps)(job, running);
    expect(harness.events[0]).to.deep.include({
      action: 'document.process',
      resourceIds: [job.documentId],
      attributes: { stage: 'index', chunks: '2', model: modelId },
    });
    expect(harness.events[0]?.principal.subject).to.equal('service:retrieval');
  });

  describe('and removal', () => {
    const remove = (documentId: string) =>
      harness.client.removeDocument({ documentId }, asPrincipal(clinician(tenantId), { requestId: 'request-1' }));

    it('removes every row, once, and leaves other documents', async () => {
      const { documentId } = await harness.index({ tenantId, chunks: chunksOf('gone', 5) });
      await harness.index({ tenantId, chunks: chunksOf('kept', 5) });
      expect((await remove(documentId)).removedChunks).to.equal(5);
      expect(await words()).to.deep.equal(['kept v1']);
      expect((await remove(documentId)).removedChunks).to.equal(0);
    });

    it('keeps the document out, whatever version comes', async () => {
      const job = await harness.index({ tenantId, chunks: chunksOf('gone', 5) });
      await remove(job.documentId);
      expect(await reasonOf(indexJob(harness.deps)(job, running))).to.equal('DOCUMENT_NOT_FOUND');
      const next = { tenantId, documentId: job.documentId, version: 2, chunks: chunksOf('gone', 5) };
      expect(await reasonOf(harness.index(next))).to.equal('DOCUMENT_NOT_FOUND');
      expect(await words()).to.deep.equal([]);
    });

    it('keeps out a document that was never indexed, also when it is removed while it is indexed', async () => {
      const unknown = await harness.writeArtefacts({ tenantId, chunks: chunksOf('gone', 5) });
      await remove(unknown.documentId);
      expect(await reasonOf(indexJob(harness.deps)(unknown, running))).to.equal('DOCUMENT_NOT_FOUND');

      const job = await harness.writeArtefacts({ tenantId, chunks: chunksOf('gone', 150) });
      let removal: Promise<unknown> | undefined;
      const progress = {
        report: (_job: unknown, percent: number) => {
          if (percent > 0) removal ??= remove(job.documentId);
        },
      };
      await indexJob({ ...harness.deps, progress })(job, running);
      await eventually(() => removal !== undefined);
      await removal;
      expect(await words()).to.deep.equal([]);
      expect(await rowsOf(job.documentId)).to.equal(0);
    });

    it('does not reach into another tenant', async () => {
      const { documentId } = await harness.index({ tenantId, chunks: chunksOf('kept', 5) });
      const other = asPrincipal(clinician(uuidv7()));
      expect((await harness.client.removeDocument({ documentId }, other)).removedChunks).to.equal(0);
      expect(await words()).to.deep.equal(['kept v1']);
    });

    it('happens although audit is down, and is told when it is back', async () => {
      const { documentId } = await harness.index({ tenantId, chunks: chunksOf('gone', 5) });
      harness.faults.audit = true;
      expect(await reasonOf(remove(documentId))).to.equal('AUDIT_UNAVAILABLE');
      harness.faults.audit = false;
      expect(await words()).to.deep.equal([]);
      harness.events.length = 0;
      await remove(documentId);
      expect(harness.events.map(({ action }) => action)).to.deep.equal(['index.delete']);
    });
  });
});
