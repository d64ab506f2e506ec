import { expect } from 'chai';
import { as, openHarness, tenantA, tenantB, type Harness } from './support/harness.ts';
import { reasonOf, upload } from './support/upload.ts';

describe('UploadDocument with an idempotency key', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
  });
  after(() => harness.close());

  const count = async (): Promise<number> =>
    (await harness.testDatabase.query('select 1 from ingestion.document')).length;

  it('answers a repetition with the first document', async () => {
    const first = await upload(harness, 'words', { idempotencyKey: 'key-1' });
    const before = await count();
    const second = await upload(harness, 'words', { idempotencyKey: 'key-1' });
    expect(second.documentId).to.equal(first.documentId);
    expect(await count()).to.equal(before);
  });

  it('refuses the key for other bytes or another name', async () => {
    await upload(harness, 'words', { idempotencyKey: 'key-2' });
    expect(await reasonOf(upload(harness, 'other words', { idempotencyKey: 'key-2' }))).to.equal(
      'IDEMPOTENCY_KEY_REUSED',
    );
    const renamed = upload(harness, 'words', { idempotencyKey: 'key-2', fileName: 'other.txt' });
    expect(await reasonOf(renamed)).to.equal('IDEMPOTENCY_KEY_REUSED');
  });

  it('makes one document of uploads that come at once, and tells the audit log of one', async () => {
    const before = await count();
    const eventsBefore = harness.events.length;
    const uploads = Array.from({ length: 5 }, () => upload(harness, 'a'.repeat(200_000), { idempotencyKey: 'key-3' }));
    const ids = new Set((await Promise.all(uploads)).map(({ documentId }) => documentId));
    expect(ids.size).to.equal(1);
    expect(await count()).to.equal(before + 1);
    const events = harness.events.slice(eventsBefore);
    expect(events.map(({ action, outcome }) => `${action} ${outcome}`).sort()).to.deep.equal([
      'document.create success',
      ...Array.from({ length: 4 }, () => 'document.read success'),
    ]);
    expect(new Set(events.flatMap(({ resourceIds }) => resourceIds))).to.deep.equal(ids);
  });

  it('knows nothing of another tenant’s keys', async () => {
    const first = await upload(harness, 'words', { idempotencyKey: 'key-4' });
    const second = await upload(harness, 'words', { idempotencyKey: 'key-4', tenantId: tenantB });
    expect(second.documentId).not.to.equal(first.documentId);
  });

  it('forgets a key after its time, and with its document', async () => {
    const first = await upload(harness, 'words', { idempotencyKey: 'key-5' });
    await harness.testDatabase.query(`update ingestion.idempotency_key set expires_at = now() - interval '1 second'`);
    const second = await upload(harness, 'words', { idempotencyKey: 'key-5' });
    expect(second.documentId).not.to.equal(first.documentId);
    await harness.client.deleteDocument({ documentId: second.documentId }, as(tenantA));
    const third = await upload(harness, 'words', { idempotencyKey: 'key-5' });
    expect(third.documentId).not.to.equal(second.documentId);
  });

  it('stores neither the key nor a digest that would confirm a guess', async () => {
    await upload(harness, 'words', { idempotencyKey: 'visit-of-quill' });
    const dump = JSON.stringify(await harness.testDatabase.query('select * from ingestion.idempotency_key'));
    expect(dump).not.to.include('quill');
    const [row] = await harness.testDatabase.query('select fingerprint_sealed from ingestion.idempotency_key limit 1');
    expect(String(row?.['fingerprint_sealed']).split('.')).to.have.length(5);
  });
});
