import { tryLock } from '@wardstone/db';
import { DocumentState } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { sealField } from '../src/adapters/document-seals.ts';
import { insertUploading, settle } from '../src/db/documents.ts';
import { createReconciler } from '../src/jobs/reconciler.ts';
import { as, openHarness, tenantA, tenantB, type Harness } from './support/harness.ts';
import { reasonOf, upload, uploadMessages, type UploadMessage } from './support/upload.ts';

describe('the reconciler', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await openHarness();
  });
  afterEach(() => harness.close());

  const pass = (options: { graceMs?: number; uploadIdleMs?: number } = {}) =>
    createReconciler(harness.deps, { intervalMs: 60_000, graceMs: 0, uploadIdleMs: 0, ...options }).pass();

  it('adds the flow of documents that were accepted while the queue was away, of every tenant', async () => {
    harness.faults.queue = true;
    const a = await upload(harness, 'words');
    const b = await upload(harness, 'words', { tenantId: tenantB });
    await pass();
    expect(harness.flows.size, 'still away').to.equal(0);
    harness.faults.queue = false;
    await pass();
    expect([...harness.flows.keys()]).to.have.members([a.documentId, b.documentId]);
    expect(harness.flows.get(b.documentId)?.job).to.include({ tenantId: tenantB, requestedBy: 'user-1', version: 1 });
  });

  it('adds flows that were lost, failed, or ended without an end, and leaves those that run', async () => {
    const [running, failed, completed, lost] = await Promise.all(
      [1, 2, 3, 4].map((n) => upload(harness, `words ${String(n)}`)),
    );
    const set = (id: string | undefined, state: 'failed' | 'completed') => {
      const flow = harness.flows.get(id ?? '');
      if (flow !== undefined) flow.state = state;
    };
    set(failed?.documentId, 'failed');
    set(completed?.documentId, 'completed');
    harness.flows.delete(lost?.documentId ?? '');
    const untouched = harness.flows.get(running?.documentId ?? '');
    await pass();
    for (const document of [failed, completed, lost]) {
      expect(harness.flows.get(document?.documentId ?? '')?.state).to.equal('active');
    }
    expect(harness.flows.get(running?.documentId ?? '')).to.equal(untouched);
  });

  it('leaves documents alone that have ended', async () => {
    const { documentId } = await upload(harness, 'words');
    harness.flows.clear();
    await harness.database.inTenant(tenantA, (tx) => settle(tx, { documentId, version: 1 }, { state: 'READY' }));
    expect(await pass()).to.equal(0);
    expect(harness.flows.size).to.equal(0);
  });

  it('does not look again before the grace is over', async () => {
    await upload(harness, 'words');
    expect(await pass({ graceMs: 60_000 })).to.equal(0);
    expect(await pass({ graceMs: 0 })).to.equal(1);
  });

  it('removes uploads whose process died, with their objects, and not those that go on', async () => {
    const documentId = uuidv7();
    const key = { tenantId: tenantA, documentId };
    const [titleSealed, fileNameSealed] = await Promise.all([
      sealField(harness.deps.keys, key, 'title', 'notes'),
      sealField(harness.deps.keys, key, 'file_name', 'notes.txt'),
    ]);
    const row = {
      ...key,
      titleSealed,
      fileNameSealed,
      labelsSealed: null,
      keyVersion: 1,
      mediaType: 'text/plain',
      createdBy: 'u',
      requestId: 'r',
    };
    await harness.database.inTenant(tenantA, (tx) => insertUploading(tx, row));
    const ref = { tenantId: tenantA, documentId, version: 1, name: 'original' } as const;
    await harness.objects.writeJsonLines(ref, [{ half: true }]);
    await pass({ uploadIdleMs: 60_000 });
    expect(await harness.objects.exists(ref)).to.equal(true);
    await pass();
    expect(await harness.objects.exists(ref)).to.equal(false);
    const rows = await harness.testDatabase.query('select 1 from ingestion.document');
    expect(rows).to.deep.equal([]);
  });

  it('removes idempotency keys that ran out', async () => {
    await upload(harness, 'words', { idempotencyKey: 'a' });
    await upload(harness, 'words', { idempotencyKey: 'b', tenantId: tenantB });
    await harness.testDatabase.query(`update ingestion.idempotency_key set expires_at = now() - interval '1 second'`);
    await upload(harness, 'words', { idempotencyKey: 'c' });
    await pass();
    const keys = await harness.testDatabase.query('select 1 from ingestion.idempotency_key');
    expect(keys).to.have.length(1);
  });

  it('takes an upload that it gave up from under its handler, which then says that it was cut', async () => {
    let givenUp = false;
    async function* slow(): AsyncGenerator<UploadMessage> {
      for await (const message of uploadMessages(Buffer.from('a'.repeat(20_000)))) {
        if (message.part?.case === 'complete') await eventually(async () => (await pass()) > 0);
        yield message;
      }
      givenUp = true;
    }
    const response = harness.client.uploadDocument(slow(), as(tenantA));
    expect(await reasonOf(response)).to.equal('UPLOAD_INCOMPLETE');
    expect(givenUp).to.equal(true);
    expect(harness.events, 'of a document that never was').to.deep.equal([]);
    await pass();
    expect(await harness.testDatabase.query('select 1 from ingestion.document')).to.deep.equal([]);
  });

  it('helps the others although the database of a peer is away', async () => {
    const deleted = await upload(harness, 'words');
    const lost = await upload(harness, 'words');
    harness.faults.index = true;
    const deletion = harness.client.deleteDocument({ documentId: deleted.documentId }, as(tenantA));
    expect(await reasonOf(deletion)).to.equal('SERVICE_UNAVAILABLE');
    harness.flows.clear();
    // The deleted document comes first.
    await harness.testDatabase.query(`update ingestion.document set checked_at = now() - interval '1 hour'
      where state = 'DELETING'`);
    const index = { removeDocument: () => Promise.reject(new AppError('DATABASE_UNAVAILABLE')) };
    const options = { intervalMs: 60_000, graceMs: 0, uploadIdleMs: 0 };
    expect(await createReconciler({ ...harness.deps, index }, options).pass()).to.equal(2);
    expect([...harness.flows.keys()]).to.deep.equal([lost.documentId]);
  });

  it('is one at a time', async () => {
    await upload(harness, 'words');
    await harness.database.inPlatform(async (tx) => {
      expect(await tryLock(tx, 'wardstone-ingestion-reconciler')).to.equal(true);
      expect(await pass()).to.equal(0);
    });
    expect(await pass()).to.equal(1);
  });

  it('sees ids of other tenants and nothing else', async () => {
    await upload(harness, 'words');
    const seen = await harness.database.inPlatform((tx) => tx.query(`select * from unsettled_documents(now(), 10)`));
    expect(Object.keys((seen as object[])[0] ?? {})).to.deep.equal(['tenant_id', 'document_id']);
    const rows = await harness.database.inPlatform((tx) => tx.query('select * from document'));
    expect(rows).to.deep.equal([]);
    const foreign = await harness.database.inTenant(tenantB, (tx) => tx.query('select * from document'));
    expect(foreign).to.deep.equal([]);
  });

  it('works by itself, survives a database that goes away, and ends when it is closed', async () => {
    const { documentId } = await upload(harness, 'words');
    const reconciler = createReconciler(harness.deps, { intervalMs: 20, graceMs: 0, uploadIdleMs: 60_000 });
    reconciler.start();
    try {
      const refusal = await harness.testDatabase.refuseConnections();
      expect(await reasonOf(reconciler.pass())).to.equal('DATABASE_UNAVAILABLE');
      await refusal.accept();
      harness.flows.clear();
      await eventually(() => harness.flows.has(documentId));
    } finally {
      await reconciler.close();
    }
    harness.flows.clear();
    const { document } = await harness.client.getDocument({ documentId }, as(tenantA));
    expect(document?.state).to.equal(DocumentState.RECEIVED);
    expect(harness.flows.size).to.equal(0);
  });
});
