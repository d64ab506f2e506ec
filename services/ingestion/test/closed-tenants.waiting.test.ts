import { judge, type StageJob } from '@wardstone/queue';
import { AppError } from '@wardstone/rpc';
import { DocumentState } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { extractJob } from '../src/jobs/extract.ts';
import { createReconciler } from '../src/jobs/reconciler.ts';
import { removeFromIndex } from '../src/remove-document.ts';
import { as, openHarness, tenantA, tenantB, type Harness } from './support/harness.ts';
import { reasonOf, upload, uploadMessages, type UploadMessage } from './support/upload.ts';

describe('a tenant that may not be used', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
  });
  after(() => harness.close());
  beforeEach(() => harness.clear());

  const signal = new AbortController().signal;
  const jobOf = (documentId: string): StageJob => {
    const job = harness.flows.get(documentId)?.job;
    if (job === undefined) throw new Error('no flow was added');
    return job;
  };
  const pass = (deps: Partial<Harness['deps']> = {}) =>
    createReconciler({ ...harness.deps, ...deps }, { intervalMs: 1, graceMs: 0, uploadIdleMs: 0 }).pass();
  const lookAgain = () =>
    harness.testDatabase.query(`update ingestion.document set checked_at = now() - interval '1 s'`);
  const stateOf = async (documentId: string): Promise<DocumentState | undefined> =>
    (await harness.client.getDocument({ documentId }, as(tenantA))).document?.state;
  const open: Harness['deps']['gate'] = { check: () => undefined };

  it('lets its jobs wait, whether this process has heard of it or only the peers', async () => {
    const { documentId } = await upload(harness, 'words');
    for (const reason of ['TENANT_SUSPENDED', 'TENANT_OFFBOARDING'] as const) {
      harness.tenants.close(tenantA, reason);
      const chunkSizes = () => Promise.reject(new AppError(reason));
      for (const deps of [{}, { gate: open }, { gate: open, settings: { chunkSizes } }]) {
        const extracting = extractJob({ ...harness.deps, ...deps })(jobOf(documentId), { signal });
        const failure = await extracting.then(() => expect.fail('ran'), AppError.from);
        expect(failure.reason).to.equal(reason);
        expect(judge(failure).verdict).to.equal('wait');
      }
    }
    harness.tenants.resume(tenantA);
    await extractJob(harness.deps)(jobOf(documentId), { signal });
    expect(await stateOf(documentId)).to.equal(DocumentState.EMBEDDING);
  }).timeout(60_000);

  it('is closed in the middle of an extraction, whose job waits and then succeeds', async () => {
    const { documentId } = await upload(harness, 'words');
    const auditor: Harness['deps']['auditor'] = {
      ...harness.deps.auditor,
      record: async (...args) => {
        await harness.deps.auditor.record(...args);
        harness.tenants.close(tenantA, 'TENANT_SUSPENDED');
      },
    };
    const extracting = extractJob({ ...harness.deps, auditor })(jobOf(documentId), { signal });
    expect(await reasonOf(extracting)).to.equal('TENANT_SUSPENDED');
    harness.tenants.resume(tenantA);
    await extractJob(harness.deps)(jobOf(documentId), { signal });
    expect(await stateOf(documentId)).to.equal(DocumentState.EMBEDDING);
  });

  it('leaves nothing of an upload that it was closed under', async () => {
    async function* closing(): AsyncGenerator<UploadMessage> {
      for await (const message of uploadMessages(Buffer.alloc(200_000, 'a'))) {
        if (message.part?.case === 'complete') harness.tenants.close(tenantA, 'TENANT_SUSPENDED');
        yield message;
      }
    }
    expect(await reasonOf(harness.client.uploadDocument(closing(), as(tenantA)))).to.equal('TENANT_SUSPENDED');
    expect(await harness.testDatabase.query('select 1 from ingestion.document')).to.deep.equal([]);
    expect(await harness.objects.removeTenant(tenantA)).to.equal(0);
  });

  it('ends its watches', async () => {
    const { documentId } = await upload(harness, 'words');
    const watch = harness.client.watchDocument({ documentId }, as(tenantA))[Symbol.asyncIterator]();
    await watch.next();
    harness.tenants.close(tenantA, 'TENANT_SUSPENDED');
    expect(await reasonOf(watch.next())).to.equal('TENANT_SUSPENDED');
  });

  it('is passed over by the reconciler, seldom and without a warning, while others are helped; and helped when it is back', async () => {
    const lost = await upload(harness, 'words');
    const deleted = await upload(harness, 'words');
    harness.faults.index = true;
    await reasonOf(harness.client.deleteDocument({ documentId: deleted.documentId }, as(tenantA)));
    harness.faults.index = false;
    const other = await upload(harness, 'words', { tenantId: tenantB });
    harness.flows.clear();
    harness.logs.length = 0;
    harness.tenants.close(tenantA, 'TENANT_SUSPENDED');
    expect(await pass()).to.equal(3);
    expect([...harness.flows.keys()]).to.deep.equal([other.documentId]);
    expect(await pass(), 'not again so soon').to.equal(1);
    await lookAgain();
    // Only the peers have heard of it.
    await pass({ gate: open });
    expect(harness.logs.filter((line) => line.includes('"level":"warn"') || line.includes('"level":40'))).to.deep.equal(
      [],
    );
    expect(await harness.telemetry.metrics.metrics()).to.match(/actions_total\{action="tenant-closed".*\} 3$/m);

    harness.tenants.resume(tenantA);
    await lookAgain();
    await pass();
    expect(harness.flows.has(lost.documentId)).to.equal(true);
    expect(harness.removedFromIndex).to.deep.equal([deleted.documentId]);
    const rows = await harness.testDatabase.query(
      `select 1 from ingestion.document where state in ('FAILED', 'DELETING')`,
    );
    expect(rows).to.deep.equal([]);
  });

  it('is no fault of ours when the index refuses it', async () => {
    for (const reason of ['TENANT_SUSPENDED', 'TENANT_OFFBOARDING'] as const) {
      const index = { removeDocument: () => Promise.reject(new AppError(reason)) };
      const key = { tenantId: tenantA, documentId: uuidv7() };
      expect(await reasonOf(removeFromIndex({ index }, key, 'request-1'))).to.equal(reason);
    }
  });
});
