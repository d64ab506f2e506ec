import { readChunksArtefact, type ChunkLine, type DocumentLine, type StageJob } from '@wardstone/queue';
import type { Reason } from '@wardstone/rpc';
import { DocumentState, type Document } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { imageOnlyPdf, pagesPdf, textPdf } from '@wardstone/testing';
import { expect } from 'chai';
import { extractJob } from '../src/jobs/extract.ts';
import { publishJob } from '../src/jobs/publish.ts';
import { as, openHarness, tenantA, type Harness } from './support/harness.ts';
import { reasonOf, upload } from './support/upload.ts';

describe('stages of ingestion', () => {
  let harness: Harness;
  const signal = new AbortController().signal;
  before(async () => {
    harness = await openHarness();
  });
  after(() => harness.close());
  beforeEach(() => {
    Object.assign(harness.faults, { audit: false, queue: false, objects: false, index: false });
    harness.events.length = 0;
  });

  const jobOf = ({ documentId }: Pick<Document, 'documentId'>): StageJob => {
    const job = harness.flows.get(documentId)?.job;
    if (job === undefined) throw new Error('no flow was added');
    return job;
  };
  const extract = (job: StageJob) => extractJob(harness.deps)(job, { signal });
  const publish = (job: StageJob, reason?: Reason) =>
    publishJob(harness.deps)(job, {
      signal,
      ...(reason === undefined ? {} : { failure: { stage: 'extract', reason } }),
    });
  const get = async ({ documentId }: StageJob): Promise<Document | undefined> =>
    (await harness.client.getDocument({ documentId }, as(tenantA))).document;
  const refOf = ({ documentId }: StageJob) => ({ tenantId: tenantA, documentId, version: 1, name: 'chunks' }) as const;

  async function artefact(job: StageJob): Promise<{ header: DocumentLine; chunks: ChunkLine[] }> {
    const lines: (DocumentLine | ChunkLine)[] = [];
    for await (const line of readChunksArtefact(harness.objects.readJsonLines(refOf(job)))) lines.push(line);
    const [header, ...chunks] = lines;
    return { header: header as DocumentLine, chunks: chunks as ChunkLine[] };
  }

  describe('extract', () => {
    it('writes the artefact: the document, then its chunks with their pages', async () => {
      const job = jobOf(await upload(harness, await pagesPdf(12), { fileName: 'stations.pdf', title: 'Stations' }));
      await extract(job);
      const { header, chunks } = await artefact(job);
      expect(header).to.include({
        title: 'Stations',
        fileName: 'stations.pdf',
        pageCount: 12,
        mediaType: 'application/pdf',
      });
      expect(chunks[0]).to.include({ ordinal: 0, pageStart: 1, charStart: 0 });
      expect(chunks.at(-1)).to.include({ pageEnd: 12, charEnd: header.charCount });
      const document = await get(job);
      expect(document).to.include({
        state: DocumentState.EMBEDDING,
        percent: 40,
        pageCount: 12,
        chunkCount: chunks.length,
      });
    });

    it('reads text and Markdown as one page', async () => {
      const job = jobOf(await upload(harness, '# Plan\n\nReduce salt.', { fileName: 'plan.md' }));
      await extract(job);
      const { header, chunks } = await artefact(job);
      expect(header).to.include({ pageCount: 1, mediaType: 'text/markdown' });
      expect(chunks.map(({ text }) => text)).to.deep.equal(['# Plan\n\nReduce salt.']);
    });

    it('records that it read the document before it writes what it read', async () => {
      const job = jobOf(await upload(harness, 'words'));
      harness.faults.audit = true;
      expect(await reasonOf(extract(job))).to.equal('AUDIT_UNAVAILABLE');
      expect(await harness.objects.exists(refOf(job))).to.equal(false);
      harness.faults.audit = false;
      await extract(job);
      const { principal, attributes } = harness.events.find(({ action }) => action === 'document.process') ?? {};
      expect(principal?.subject).to.equal('service:ingestion');
      expect(attributes).to.include({ stage: 'extract', chunks: '1' });
    });

    it('may run twice: the same artefact, made once', async () => {
      const job = jobOf(await upload(harness, await pagesPdf(3)));
      await extract(job);
      const first = await artefact(job);
      const events = harness.events.length;
      await extract(job);
      expect(harness.events.length).to.equal(events);
      await harness.objects.remove(refOf(job));
      await extract(job);
      expect(await artefact(job)).to.deep.equal(first);
    });

    const permanent: readonly (readonly [reason: Reason, body: () => Promise<Uint8Array>])[] = [
      ['NO_TEXT', () => imageOnlyPdf()],
      ['PDF_ENCRYPTED', () => textPdf(['x'], { userPassword: 'p' })],
      ['PDF_CORRUPT', async () => (await pagesPdf(9)).subarray(0, 3_000)],
      ['TEXT_ENCODING', () => Promise.resolve(Buffer.concat([Buffer.from('a'.repeat(9_000)), Buffer.from([0xff])]))],
      ['TEXT_TOO_LARGE', () => Promise.resolve(Buffer.from('word '.repeat(300_000)))],
      ['TEXT_TOO_LARGE', () => Promise.resolve(Buffer.alloc(5 * 1024 * 1024, '%PDF-'))],
    ];
    for (const [reason, body] of permanent) {
      it(`fails for good with ${reason}, and publish says so`, async () => {
        const job = jobOf(await upload(harness, await body()));
        expect(await reasonOf(extract(job))).to.equal(reason);
        expect(await harness.objects.exists(refOf(job))).to.equal(false);
        await publish(job, reason);
        const document = await get(job);
        expect(document?.state).to.equal(DocumentState.FAILED);
        expect(document?.failure?.reason).to.equal(reason);
      });
    }

    it('fails for good when the original was lost, and for now when the store is away', async () => {
      const job = jobOf(await upload(harness, 'words'));
      harness.faults.objects = true;
      expect(await reasonOf(extract(job))).to.equal('OBJECT_STORE_UNAVAILABLE');
      harness.faults.objects = false;
      await harness.objects.remove({ ...refOf(job), name: 'original' });
      expect(await reasonOf(extract(job))).to.equal('SEALED_VALUE_INVALID');
    });

    it('does nothing for a document that is deleted or has ended', async () => {
      const job = jobOf(await upload(harness, 'words'));
      await publish(job);
      expect(await reasonOf(extract(job))).to.equal('DOCUMENT_NOT_FOUND');
      await harness.client.deleteDocument({ documentId: job.documentId }, as(tenantA));
      expect(await reasonOf(extract(job))).to.equal('DOCUMENT_NOT_FOUND');
      expect(await harness.objects.exists(refOf(job))).to.equal(false);
    });

    it('does not read a document that was deleted while it waited for a process', async () => {
      const job = jobOf(await upload(harness, 'words'));
      const pool: Harness['deps']['pool'] = {
        ...harness.deps.pool,
        extract: async (...args) => {
          await harness.client.deleteDocument({ documentId: job.documentId }, as(tenantA));
          return harness.deps.pool.extract(...args);
        },
      };
      expect(await reasonOf(extractJob({ ...harness.deps, pool })(job, { signal }))).to.equal('DOCUMENT_NOT_FOUND');
    });

    it('takes back the artefact of a document that was deleted while it was read', async () => {
      const job = jobOf(await upload(harness, 'words'));
      let written = false;
      const auditor: Harness['deps']['auditor'] = {
        ...harness.deps.auditor,
        record: async (...args) => {
          await harness.client.deleteDocument({ documentId: job.documentId }, as(tenantA));
          return harness.deps.auditor.record(...args);
        },
      };
      const objects: Harness['objects'] = {
        ...harness.objects,
        writeJsonLines: async (...args) => {
          const result = await harness.objects.writeJsonLines(...args);
          written = await harness.objects.exists(refOf(job));
          return result;
        },
      };
      const extracting = extractJob({ ...harness.deps, auditor, objects })(job, { signal });
      expect(await reasonOf(extracting)).to.equal('DOCUMENT_NOT_FOUND');
      expect(written).to.equal(true);
      expect(await harness.objects.exists(refOf(job))).to.equal(false);
    });

    it('stops when its time is over', async () => {
      const job = jobOf(await upload(harness, await pagesPdf(50)));
      expect(await reasonOf(extractJob(harness.deps)(job, { signal: AbortSignal.abort() }))).to.equal('CANCELLED');
    });
  });

  describe('publish', () => {
    it('makes the document READY and removes what lay between the stages, not the original', async () => {
      const job = jobOf(await upload(harness, 'words'));
      await extract(job);
      const made = ['vectors', 'vectors-parts/0', 'vectors-parts/1'] as const;
      for (const name of made) await harness.objects.writeJsonLines({ ...refOf(job), name }, [{}]);
      await publish(job);
      expect(await get(job)).to.include({ state: DocumentState.READY, percent: 100 });
      for (const name of ['chunks', ...made] as const) {
        expect(await harness.objects.exists({ ...refOf(job), name }), name).to.equal(false);
      }
      expect(await harness.objects.exists({ ...refOf(job), name: 'original' })).to.equal(true);
    });

    it('changes nothing of a document that has ended', async () => {
      const job = jobOf(await upload(harness, 'words'));
      await publish(job);
      const { etag } = (await get(job)) ?? {};
      await publish(job, 'NO_TEXT');
      await publish(job);
      expect(await get(job)).to.include({ state: DocumentState.READY, etag });
    });

    it('does not bring a deleted document back', async () => {
      const job = jobOf(await upload(harness, 'words'));
      harness.faults.index = true;
      const deletion = harness.client.deleteDocument({ documentId: job.documentId }, as(tenantA));
      expect(await reasonOf(deletion), 'the row is kept for the reconciler').to.equal('SERVICE_UNAVAILABLE');
      await publish(job);
      expect(await reasonOf(get(job))).to.equal('DOCUMENT_NOT_FOUND');
      const rows = await harness.testDatabase.query('select state from ingestion.document where document_id = $1', [
        job.documentId,
      ]);
      expect(rows).to.deep.equal([{ state: 'DELETING' }]);
    });

    it('waits for the audit log', async () => {
      const job = jobOf(await upload(harness, 'words'));
      harness.faults.audit = true;
      expect(await reasonOf(publish(job))).to.equal('AUDIT_UNAVAILABLE');
      harness.faults.audit = false;
      expect((await get(job))?.state).to.equal(DocumentState.RECEIVED);
    });
  });

  describe('ReportProgress', () => {
    const report = (job: StageJob, state: DocumentState, stagePercent: number, version = 1) =>
      harness.client.reportProgress({ documentId: job.documentId, version, state, stagePercent }, as(tenantA));

    it('moves a document on and never back', async () => {
      const job = jobOf(await upload(harness, 'words'));
      await report(job, DocumentState.INDEXING, 50);
      const { percent } = (await get(job)) ?? {};
      await report(job, DocumentState.EMBEDDING, 100);
      await report(job, DocumentState.INDEXING, 10);
      expect(await get(job)).to.include({ state: DocumentState.INDEXING, percent });
      await publish(job);
      await report(job, DocumentState.INDEXING, 100);
      expect((await get(job))?.state).to.equal(DocumentState.READY);
    });

    it('ignores another version and refuses other states', async () => {
      const job = jobOf(await upload(harness, 'words'));
      await report(job, DocumentState.INDEXING, 50, 2);
      expect((await get(job))?.state).to.equal(DocumentState.RECEIVED);
      expect(await reasonOf(report(job, DocumentState.READY, 100))).to.equal('INVALID_ARGUMENT');
    });
  });
});
