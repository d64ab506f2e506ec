import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { as, type Harness, openHarness, reasonOf, seededVector } from './support/harness.ts';

describe('search: equality filters over blind terms', () => {
  let harness: Harness;
  const tenantId = uuidv7();
  before(async () => {
    harness = await openHarness();
    const documents = [
      { title: 'a', labels: ['letter', 'Cardiology'], metadata: { ward: '4 West', year: '2026' } },
      { title: 'b', labels: ['letter'], metadata: { ward: '5 East' } },
      { title: 'c', labels: ['4 West'] },
      { title: 'd' },
    ];
    for (const [at, document] of documents.entries()) {
      await harness.index({
        tenantId,
        ...document,
        chunks: [{ text: `text ${document.title}`, vector: seededVector(at) }],
      });
    }
  });
  after(() => harness.close());

  const titles = async (filters: { field: string; value: string }[], query = 'text', tenant = tenantId) =>
    (await harness.client.search({ query, topK: 100, filters }, as(tenant))).hits
      .map((hit) => hit.documentTitle)
      .sort();

  const cases: readonly (readonly [string, { field: string; value: string }[], string[]])[] = [
    ['none', [], ['a', 'b', 'c', 'd']],
    ['one label', [{ field: 'label', value: 'letter' }], ['a', 'b']],
    ['a label, blanks around it aside', [{ field: 'label', value: ' letter ' }], ['a', 'b']],
    ['case, which counts', [{ field: 'label', value: 'cardiology' }], []],
    [
      'two labels, which both have to be there',
      ['letter', 'Cardiology'].map((value) => ({ field: 'label', value })),
      ['a'],
    ],
    ['metadata, which is no label', [{ field: 'metadata.ward', value: '4 West' }], ['a']],
    ['a label, which is no metadata', [{ field: 'label', value: '4 West' }], ['c']],
    ['the value of another name', [{ field: 'metadata.year', value: '4 West' }], []],
    [
      'a label and metadata',
      [
        { field: 'label', value: 'letter' },
        { field: 'metadata.ward', value: '5 East' },
      ],
      ['b'],
    ],
    ['what nobody has', [{ field: 'label', value: 'unknown' }], []],
  ];
  for (const [what, filters, expected] of cases) {
    it(`asks for ${what}`, async () => {
      expect(await titles(filters)).to.deep.equal(expected);
      // By vectors alone, too.
      expect(await titles(filters, 'zzz')).to.deep.equal(expected);
    });
  }

  it('asks for a label in another composition of Unicode', async () => {
    const tenant = uuidv7();
    const chunks = [{ text: 'x', vector: seededVector(0) }];
    await harness.index({ tenantId: tenant, title: 'm', labels: ['Mu\u0308ller'], chunks });
    expect(await titles([{ field: 'label', value: 'M\u00fcller' }], 'x', tenant)).to.deep.equal(['m']);
  });

  it('tells labels and metadata of each hit', async () => {
    const { hits } = await harness.client.search({ query: 'text', topK: 100 }, as(tenantId));
    const told = new Map(hits.map((hit) => [hit.documentTitle, { labels: hit.labels, metadata: hit.metadata }]));
    expect(told.get('a')).to.deep.equal({
      labels: ['letter', 'Cardiology'],
      metadata: { ward: '4 West', year: '2026' },
    });
    expect(told.get('d')).to.deep.equal({ labels: [], metadata: {} });
  });

  it('combines with the documents named', async () => {
    const all = (await harness.client.search({ query: 'text', topK: 100 }, as(tenantId))).hits;
    const named = all.filter((hit) => ['b', 'c'].includes(hit.documentTitle)).map((hit) => hit.documentId);
    const filters = [{ field: 'label', value: 'letter' }];
    const { hits } = await harness.client.search({ query: 'text', documentIds: named, filters }, as(tenantId));
    expect(hits.map((hit) => hit.documentTitle)).to.deep.equal(['b']);
  });

  it('forgets the labels of an older version', async () => {
    const tenant = uuidv7();
    const document = { tenantId: tenant, documentId: uuidv7(), chunks: [{ text: 'x', vector: seededVector(0) }] };
    await harness.index({ ...document, title: 'm', labels: ['old'] });
    await harness.index({ ...document, title: 'm', version: 2, labels: ['new'] });
    expect(await titles([{ field: 'label', value: 'old' }], 'x', tenant)).to.deep.equal([]);
    expect(await titles([{ field: 'label', value: 'new' }], 'x', tenant)).to.deep.equal(['m']);
  });

  it('does not show a document whose labels were put in from another', async () => {
    const tenant = uuidv7();
    const chunks = [{ text: 'x', vector: seededVector(0) }];
    await harness.index({ tenantId: tenant, title: 'one', labels: ['mine'], chunks });
    const two = await harness.index({ tenantId: tenant, title: 'two', labels: ['theirs'], chunks });
    await harness.testDatabase.query(
      `update retrieval.indexed_document d set labels_sealed = o.labels_sealed from retrieval.indexed_document o
       where d.document_id = $1 and o.tenant_id = $2 and o.document_id <> $1`,
      [two.documentId, tenant],
    );
    const { hits, unreadableChunks } = await harness.client.search({ query: 'x' }, as(tenant));
    expect([hits.map((hit) => hit.documentTitle), unreadableChunks]).to.deep.equal([['one'], 1]);
  });

  for (const [what, filters] of [
    ['a field that is none', [{ field: 'title', value: 'x' }]],
    ['metadata without a name', [{ field: 'metadata.', value: 'x' }]],
    ['an empty value', [{ field: 'label', value: '' }]],
    ['a value that is too long', [{ field: 'label', value: 'x'.repeat(201) }]],
    ['more than 20', Array.from({ length: 21 }, () => ({ field: 'label', value: 'x' }))],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const message = { query: 'x', filters: filters.map((filter) => ({ ...filter })) };
      expect(await reasonOf(harness.client.search(message, as(tenantId)))).to.equal('INVALID_ARGUMENT');
    });
  }
});
