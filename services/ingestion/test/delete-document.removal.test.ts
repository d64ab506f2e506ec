import { readdir } from 'node:fs/promises';
import { expect } from 'chai';
import { createReconciler } from '../src/jobs/reconciler.ts';
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

  for (const fault of ['queue', 'index', 'objects'] as const) {
    it(`hides the document at once although the ${fault} is away, and removes it when that is back`, async () => {
      const { documentId } = await upload(harness, 'words');
      harness.faults[fault] = true;
      await remove(documentId);
      await remove(documentId);
      expect(await reasonOf(get(documentId))).to.equal('DOCUMENT_NOT_FOUND');
      const download = collect(harness.client.downloadDocument({ documentId }, as(tenantA)));
      expect(await reasonOf(download)).to.equal('DOCUMENT_NOT_FOUND');
      expect(await rowsOf(documentId)).to.deep.equal([{ state: 'DELETING' }]);
      await reconcile();
      expect(await rowsOf(documentId), 'still away').to.have.length(1);
      harness.faults[fault] = false;
      await reconcile();
      await expectGone(documentId);
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
