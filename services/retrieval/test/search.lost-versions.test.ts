import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { as, type Harness, openHarness, seededVector } from './support/harness.ts';

describe('search: rows under key versions that there is no key of', () => {
  let harness: Harness;
  let tenantId: string;
  before(async () => {
    harness = await openHarness();
  });
  beforeEach(() => {
    tenantId = uuidv7();
    harness.logs.length = 0;
    harness.faults.versions.set(98, 'KEY_VERSION_RETIRED').set(99, 'KEY_VERSION_NOT_FOUND');
  });
  after(() => harness.close());

  const write = (text: string, seed: number) =>
    harness.index({ tenantId, chunks: [{ text, vector: seededVector(seed) }] });
  const search = async (query: string) => {
    const { hits, unreadableChunks } = await harness.client.search({ query, topK: 10 }, as(tenantId));
    return { texts: hits.map(({ text }) => text).toSorted(), unreadableChunks };
  };
  const plantVector = (documentId: string, version: number) =>
    harness.testDatabase.query(
      `with moved as (update retrieval.chunk_vector set vector_key_version = $2 where document_id = $1)
       update retrieval.chunk_bits set vector_key_version = $2 where document_id = $1`,
      [documentId, version],
    );
  const plantWords = (documentId: string, version: number) =>
    harness.testDatabase.query('update retrieval.keyword_document set terms_key_version = $2 where document_id = $1', [
      documentId,
      version,
    ]);

  for (const version of [98, 99]) {
    it(`finds the others, counts a chunk whose vector is under version ${String(version)}, and names it`, async () => {
      await write('carditis', 1);
      const { documentId } = await write('nephritis', 2);
      await plantVector(documentId, version);
      expect(await search('carditis')).to.deep.equal({ texts: ['carditis'], unreadableChunks: 1 });
      expect(harness.logs.join('')).to.contain('no key of').and.to.contain(documentId);
      // Its words find it all the same, and then nothing is missing.
      expect(await search('nephritis')).to.deep.equal({ texts: ['carditis', 'nephritis'], unreadableChunks: 0 });
    });

    it(`finds a document whose keyword rows are under version ${String(version)} by its vector, and names it`, async () => {
      await write('carditis', 1);
      const { documentId } = await write('nephritis', 2);
      await plantWords(documentId, version);
      expect(await search('nephritis')).to.deep.equal({ texts: ['carditis', 'nephritis'], unreadableChunks: 0 });
      expect(harness.logs.join('')).to.contain('no key of').and.to.contain(documentId);
      expect(await harness.registry.metrics()).to.match(/wardstone_retrieval_damaged_postings_total [1-9]/);
    });
  }
});
