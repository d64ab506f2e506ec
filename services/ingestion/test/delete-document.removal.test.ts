import { readdir } from 'node:fs/promises';
import { AppError, type Reason } from '@wardstone/rpc';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { createReconciler } from '../src/jobs/reconciler.ts';
import { removeFromIndex } from '../src/remove-document.ts';
import { as, openHarness, tenantA, type Harness } from './support/harness.ts';
import { collect, reasonOf, upload } from './support/upload.ts';

describe('DeleteDocument', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
  });
  after(() => harness.close());
  beforeEach(() => {
    Object.assign(harness.faults, { audit: false, queue: false, objects: false, index: false });
  });

  const remove = (documentId: string, etag = '') => harness.client.deleteDocument({ documentId, etag }, as(tenantA));
  const get = (documentId: string) => harness.client.getDocument({ documentId }, as(tenantA));
  const rowsOf = (documentId: string) =>
    harness.testDatabase.query('select state from ingestion.document where document_id = $1', [documentId]);
  const objectsOf = (documentId: string) =>
    readdir(`${harness.objectsDir}/objects/tenants/${tenantA}/documents/${documentId}`).catch(() => []);
  const reconcile = () => createReconciler(harness.deps, { intervalMs: 60_000, graceMs: 0, uploadIdleMs: 0 }).pass();

  async function expectGone(documentId: string): Promise<void> {
    expect(await rowsOf(documentId)).to.deep.equal([]);
    expect(await objectsOf(documentId)).to.deep.equal([]);
    expect(harness.removedFromIndex).to.include(documentId);
    expect(harness.flows.has(documentId)).to.equal(false);
  }

  it('removes jobs, index rows, objects and the row', async () => {
    const { documentId } = await upload(harness, 'words');
    await remove(documentId);
    await expectGone(documentId);
    expect(await reasonOf(get(documentId))).to.equal('DOCUMENT_NOT_FOUND');
    expect(await reasonOf(remove(documentId))).to.equal('DOCUMENT_NOT_FOUND');
  });

  it('deletes only what the caller saw, when it says what it saw', async () => {
    const { documentId, etag } = await upload(harness, 'words');
    expect(await reasonOf(remove(documentId, '1-99'))).to.equal('DOCUMENT_CHANGED');
    expect(await reasonOf(get(documentId))).to.equal('none');
    expect(await reasonOf(remove(documentId, etag))).to.equal('none');
  });

  it('deletes nothing that cannot be recorded', async () => {
    const { documentId } = await upload(harness, 'words');
    harness.faults.audit = true;
    expect(await reasonOf(remove(documentId))).to.equal('AUDIT_UNAVAILABLE');
    harness.faults.audit = false;
    expect(await reasonOf(get(documentId))).to.equal('none');
  });

  it('records no deletion that did not happen, and every one under the id as it is written in lists', async () => {
    const { documentId, etag } = await upload(harness, 'words');
    const deletions = () =>
      harness.events
        .filter(({ action, resourceIds }) => action === 'document.delete' && resourceIds.includes(documentId))
        .map(({ outcome }) => outcome);
    // The document changes between the look at it and its removal.
    const { inTenant } = harness.database;
    const bump = 'update ingestion.document set revision = revision + 1 where document_id = $1';
    let looks = 0;
    harness.database.inTenant = async (tenantId, work, options) => {
      const result = await inTenant(tenantId, work, options);
      if ((looks += 1) === 1) await harness.testDatabase.query(bump, [documentId]);
      return result;
    };
    expect(await reasonOf(remove(documentId, etag))).to.equal('DOCUMENT_CHANGED');
    harness.database.inTenant = inTenant;
    expect(deletions()).to.deep.equal(['failure']);
    await remove(documentId.toUpperCase());
    expect(deletions()).to.deep.equal(['failure', 'success']);
    await expectGone(documentId);
  });

  async function expectHidden(documentId: string): Promise<void> {
    expect(await reasonOf(get(documentId))).to.equal('DOCUMENT_NOT_FOUND');
    const download = collect(harness.client.downloadDocument({ documentId }, as(tenantA)));
    expect(await reasonOf(download)).to.equal('DOCUMENT_NOT_FOUND');
    expect(await rowsOf(documentId)).to.deep.equal([{ state: 'DELETING' }]);
  }

  for (const [fault, name] of [
    ['queue', 'queue'],
    ['objects', 'object store'],
  ] as const) {
    it(`takes the document from readers and from the index although the ${name} is away, and finishes later`, async () => {
      const { documentId } = await upload(harness, 'words');
      harness.faults[fault] = true;
      await remove(documentId);
      expect(harness.removedFromIndex).to.include(documentId);
      await remove(documentId);
      await expectHidden(documentId);
      await reconcile();
      expect(await rowsOf(documentId), 'still away').to.have.length(1);
      harness.faults[fault] = false;
      await reconcile();
      await expectGone(documentId);
    });
  }

  it('claims no success while searches may find the document; a repetition removes it', async () => {
    const { documentId, etag } = await upload(harness, 'words');
    harness.faults.index = true;
    const failure = await remove(documentId, etag).then(() => expect.fail('answered'), AppError.from);
    expect(failure).to.include({ reason: 'SERVICE_UNAVAILABLE', status: 503, retryAfterMs: 2_000 });
    await expectHidden(documentId);
    for (const repeatedEtag of [etag, '']) {
      expect(await reasonOf(remove(documentId, repeatedEtag)), 'still away').to.equal('SERVICE_UNAVAILABLE');
    }
    harness.faults.index = false;
    expect(await reasonOf(remove(documentId, etag))).to.equal('none');
    await expectGone(documentId);
    expect(await reasonOf(remove(documentId, etag))).to.equal('DOCUMENT_NOT_FOUND');
  });

  it('is finished by the reconciler when nobody repeats it', async () => {
    const { documentId } = await upload(harness, 'words');
    harness.faults.index = true;
    expect(await reasonOf(remove(documentId))).to.equal('SERVICE_UNAVAILABLE');
    await reconcile();
    await expectHidden(documentId);
    harness.faults.index = false;
    await reconcile();
    await expectGone(documentId);
  });

  const answers: [Reason, Reason][] = [
    ['AUDIT_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
    ['DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE'],
    ['DEADLINE_EXCEEDED', 'SERVICE_UNAVAILABLE'],
    ['RATE_LIMITED', 'SERVICE_UNAVAILABLE'],
    ['PERMISSION_DENIED', 'INTERNAL'],
  ];
  for (const [refusal, answer] of answers) {
    it(`answers ${answer} when the index answers ${refusal}`, async () => {
      const index = { removeDocument: () => Promise.reject(new AppError(refusal)) };
      const key = { tenantId: tenantA, documentId: uuidv7() };
      expect(await reasonOf(removeFromIndex({ index }, key, 'request-1'))).to.equal(answer);
    });
  }

  it('keeps the row until the last stage has ended, so that what it writes is found', async () => {
    const { documentId } = await upload(harness, 'words');
    const flow = harness.flows.get(documentId);
    const queue = { ...harness.deps.queue, flowState: () => Promise.resolve('active' as const) };
    await createReconciler({ ...harness.deps, queue }, { intervalMs: 1, graceMs: 0, uploadIdleMs: 0 }).pass();
    await harness.database.inTenant(tenantA, (tx) =>
      tx.query(`update document set state = 'DELETING' where document_id = $1`, [documentId]),
    );
    await createReconciler({ ...harness.deps, queue }, { intervalMs: 1, graceMs: 0, uploadIdleMs: 0 }).pass();
    expect(await rowsOf(documentId)).to.have.length(1);
    expect(flow).not.to.equal(undefined);
    const late = { tenantId: tenantA, documentId, version: 1, name: 'vectors' } as const;
    await harness.objects.writeJsonLines(late, [{ late: true }]);
    await reconcile();
    await expectGone(documentId);
  });
});
