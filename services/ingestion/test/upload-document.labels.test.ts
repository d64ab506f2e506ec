import { readChunksArtefact } from '@wardstone/queue';
import { expect } from 'chai';
import { extractJob } from '../src/jobs/extract.ts';
import { as, openHarness, tenantA, type Harness } from './support/harness.ts';
import { collect, reasonOf, upload } from './support/upload.ts';

describe('UploadDocument with labels and metadata', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
  });
  after(() => harness.close());

  const labels = ['Zq7label', `'; drop table document; --`];
  const metadata = { ward: '4 West Zq7ward', constructor: '{"$gt":""}' };

  it('gives them back wherever a document is shown', async () => {
    const uploaded = await upload(harness, 'words', { labels: [` ${labels[0] ?? ''} `, ...labels], metadata });
    const { documentId } = uploaded;
    const { document } = await harness.client.getDocument({ documentId }, as(tenantA));
    const { documents } = await harness.client.listDocuments({}, as(tenantA));
    const watched = harness.client.watchDocument({ documentId }, as(tenantA))[Symbol.asyncIterator]();
    const first = await watched.next();
    await watched.return?.();
    const shown = [uploaded, document, documents[0], first.done === true ? undefined : first.value.document];
    for (const one of shown) {
      expect(one?.labels).to.deep.equal(labels);
      expect(one?.metadata).to.deep.equal(metadata);
    }
    const [head] = await collect(harness.client.downloadDocument({ documentId }, as(tenantA)));
    expect(head?.part.case === 'document' ? head.part.value.labels : []).to.deep.equal(labels);
  });

  it('stores them sealed, as one value, and nothing where there are none', async () => {
    const { documentId } = await upload(harness, 'words', { labels, metadata });
    const plain = await upload(harness, 'words');
    expect(plain.labels).to.deep.equal([]);
    expect(plain.metadata).to.deep.equal({});
    const select = 'select labels_sealed from ingestion.document where document_id = $1';
    const [row] = await harness.testDatabase.query(select, [documentId]);
    expect(String(row?.['labels_sealed']).split('.')).to.have.length(5);
    expect(await harness.testDatabase.query(select, [plain.documentId])).to.deep.equal([{ labels_sealed: null }]);
    const dump = JSON.stringify(await harness.testDatabase.query('select * from ingestion.document'));
    expect(dump).not.to.include('Zq7');
    expect(harness.logs.join('')).not.to.include('Zq7');
  });

  it('are part of what an idempotency key stands for', async () => {
    const first = await upload(harness, 'words', { idempotencyKey: 'key-1', labels, metadata });
    const reordered = Object.fromEntries(Object.entries(metadata).reverse());
    const again = await upload(harness, 'words', { idempotencyKey: 'key-1', labels, metadata: reordered });
    expect(again.documentId).to.equal(first.documentId);
    for (const other of [{}, { labels }, { metadata }, { labels: [...labels, 'x'], metadata }]) {
      const repeated = upload(harness, 'words', { idempotencyKey: 'key-1', ...other });
      expect(await reasonOf(repeated)).to.equal('IDEMPOTENCY_KEY_REUSED');
    }
  });

  it('go on to the index in the artefact', async () => {
    const { documentId } = await upload(harness, 'words', { labels, metadata });
    const job = harness.flows.get(documentId)?.job;
    if (job === undefined) throw new Error('no flow was added');
    await extractJob(harness.deps)(job, { signal: new AbortController().signal });
    const ref = { tenantId: tenantA, documentId, version: 1, name: 'chunks' } as const;
    const [header] = await collect(readChunksArtefact(harness.objects.readJsonLines(ref)));
    expect(header).to.deep.include({ labels, metadata });
  });

  it('are refused by their rules, by the proto and behind it, and nothing is stored', async () => {
    const count = () => harness.testDatabase.query('select 1 from ingestion.document');
    const before = (await count()).length;
    const wrong = [
      { labels: Array.from({ length: 21 }, (_, index) => String(index)) },
      { labels: [''] },
      { labels: ['x'.repeat(101)] },
      { labels: ['two\nlines'] },
      { labels: ['🩺'.repeat(51)] },
      { metadata: { Ward: 'x' } },
      { metadata: { ward: '' } },
      { metadata: { ward: '\0' } },
    ];
    for (const options of wrong) {
      expect(await reasonOf(upload(harness, 'words', options)), JSON.stringify(options)).to.equal('INVALID_ARGUMENT');
    }
    expect(await count()).to.have.length(before);
  });
});
