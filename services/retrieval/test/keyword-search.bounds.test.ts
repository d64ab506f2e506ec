import { AppError } from '@wardstone/rpc';
import { expect } from 'chai';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { currentTerms } from '../src/adapters/tenant-terms.ts';
import { readSegments, type SegmentRow } from '../src/db/keyword-search.ts';
import { createBm25Scorer } from '../src/domain/bm25.ts';
import {
  createSegmentWriter,
  encodePart,
  maxPartChunks,
  newGroup,
  type Occurrences,
  type PostingGroup,
} from '../src/domain/postings.ts';
import { createTurns } from '../src/domain/turns.ts';
import { keywordCandidates } from '../src/rpc/keyword-candidates.ts';
import { as, type Harness, openHarness, reasonOf, running, seededVector } from './support/harness.ts';
import { keywordRanking, mergeAll } from './support/keyword-ranking.ts';

/** What one search reads before others have a turn. */
const bytesPerTurn = 256 * 1024;

/** A term that stands in every chunk of a part. */
function fullGroup(): PostingGroup {
  const group = newGroup();
  for (let at = 0; at < maxPartChunks; at += 1) {
    [group.ordinals[at], group.frequencies[at], group.lengths[at]] = [at, 300, 100_000];
  }
  group.count = maxPartChunks;
  return group;
}

/** A segment of somewhat more bytes than are read in one go. */
function fullSegment(termsKeyVersion: number, term: bigint) {
  const place = { termsKeyVersion, term: String(term), segment: 0 };
  const writer = createSegmentWriter();
  for (let docNo = 0; writer.length < bytesPerTurn; docNo += 1) writer.add(docNo, fullGroup());
  return { ...place, postings: writer.finish(place) };
}

/** Parts of as many bytes together, most of which are of other terms. */
function fullParts(termsKeyVersion: number, term: bigint) {
  const everywhere = Array.from({ length: maxPartChunks }, (_, at) => [at, 1] as const);
  const others = Array.from({ length: 1_000 }, (_, at) => [BigInt(at), [[0, 1]]] as const);
  const lengths = everywhere.map(() => 100);
  return Array.from({ length: 32 }, (_, at) => {
    const place = { documentId: uuidv7(), version: 1, part: 0, termsKeyVersion };
    const postings = encodePart(place, lengths, new Map<bigint, Occurrences>([...others, [term, everywhere]]));
    return {
      ...{ doc_no: String(at), document_id: place.documentId, version: 1, part: 0 },
      ...{ terms_key_version: termsKeyVersion, postings },
    };
  });
}

/** A signal that comes with the next turn of the event loop: work that gives nobody a turn never hears of it. */
function goneNextTurn(): AbortSignal {
  const controller = new AbortController();
  setImmediate(() => {
    controller.abort();
  });
  return controller.signal;
}

describe('keyword search: what one question may cost', () => {
  let harness: Harness;
  let tenantId: string;
  before(async () => {
    harness = await openHarness();
  });
  beforeEach(() => {
    tenantId = uuidv7();
  });
  after(() => harness.close());

  it('leaves out the words that cost too much, unread, counts them, and answers by the others', async () => {
    const texts = ['patient carditis', 'patient nephritis', 'patient carditis nephritis'];
    await harness.index({
      tenantId,
      chunks: texts.map((text, at) => ({ text, vector: seededVector(at) })),
    });
    await mergeAll(harness, tenantId);
    const exact = await keywordRanking(harness, tenantId, 'carditis nephritis');
    expect(exact).to.deep.include({ leftOutWords: 0 });
    expect(exact.hits).to.have.length(3);
    const terms = await currentTerms(harness.deps.keys, tenantId);
    await harness.testDatabase.query(
      `update retrieval.keyword_segment set postings = postings || decode(repeat('00', 8 * 1024 * 1024), 'hex')
       where tenant_id = $1 and term = $2`,
      [tenantId, String(terms.word('patient'))],
    );
    const { hits, damage, leftOutWords } = await keywordRanking(harness, tenantId, 'patient carditis nephritis');
    expect(hits).to.deep.equal(exact.hits);
    // What was added makes the segment a damaged one: it would be noticed, had it been read.
    expect([leftOutWords, damage.segmentVersions.size]).to.deep.equal([1, 0]);
    const { hits: found } = await harness.client.search({ query: 'patient carditis nephritis' }, as(tenantId));
    expect(found).to.have.length(3);
    expect(await harness.registry.metrics()).to.contain('wardstone_retrieval_left_out_words_total 1');
  });

  it('reads every segment of the terms once, and no other, over pages', async () => {
    await harness.testDatabase.query(
      `insert into retrieval.keyword_segment
         (tenant_id, terms_key_version, term, segment, first_doc_no, last_doc_no, postings)
       select $1, version, term, segment, 1, 1, '\\x01'
       from unnest(array[1, 2]) as version, unnest(array[-9223372036854775808, -1, 0, 7]) as term,
            generate_series(0, 99) as segment`,
      [tenantId],
    );
    const read: SegmentRow[] = [];
    await harness.database.inTenant(tenantId, async (tx) => {
      for await (const row of readSegments(tx, tenantId, 1, [-(2n ** 63n), 0n, 7n])) read.push(row);
    });
    const places = read.map(
      ({ termsKeyVersion, term, segment }) => `${String(termsKeyVersion)}/${term}/${String(segment)}`,
    );
    const expected = ['-9223372036854775808', '0', '7'].flatMap((term) =>
      Array.from({ length: 100 }, (_, segment) => `1/${term}/${String(segment)}`),
    );
    expect(places.toSorted()).to.deep.equal(expected.toSorted());
  });

  it('gives others a turn after so much work, and not before', async () => {
    let turns = 0;
    setImmediate(() => (turns += 1));
    const { after } = createTurns(10, running.signal);
    await after(4);
    await after(5);
    expect(turns).to.equal(0);
    await after(1);
    expect(turns).to.equal(1);
    setImmediate(() => (turns += 1));
    await after(9);
    expect(turns).to.equal(1);
  });

  for (const what of ['segments', 'unmerged parts'] as const) {
    it(`gives others a turn while ${what} are read, and stops there when the caller has gone`, async () => {
      const terms = await currentTerms(harness.deps.keys, tenantId);
      const term = terms.word('pain');
      // A database that answers at once: what is awaited of it gives nobody a turn. It has more to read than one turn takes, and
      // less to score.
      const rows = what === 'segments' ? [fullSegment(terms.keyVersion, term)] : fullParts(terms.keyVersion, term);
      const table = what === 'segments' ? 'select term, segment, postings' : 'terms_key_version, postings';
      const query = (sql: string): Promise<unknown> => Promise.resolve(sql.includes(table) ? rows : []);
      const tx = { query } as unknown as EntityManager;
      const statistics = { chunkCount: 1_000_000, sumLength: 100_000_000 };
      const overview = {
        byVersion: new Map([[terms.keyVersion, statistics]]),
        ...{ hasTail: what !== 'segments', hasDead: false },
      };
      const asked = {
        ...{ tenantId, words: new Map([['pain', 1]]), terms: new Map([[terms.keyVersion, terms]]) },
        ...{ documentIds: undefined, limit: 10 },
      };
      const read = await keywordCandidates(tx, overview, { ...asked, signal: running.signal });
      expect([read.leftOutWords, read.damage]).to.deep.equal([0, { documentIds: [], segmentVersions: new Set() }]);
      const left = keywordCandidates(tx, overview, { ...asked, signal: goneNextTurn() });
      expect(await reasonOf(left)).to.equal('CANCELLED');
    });
  }

  it('gives others a turn while chunks are scored, and stops there when the caller has gone', async () => {
    const filled = () => {
      const scorer = createBm25Scorer([1], new Set());
      for (let docNo = 0; docNo < 128; docNo += 1) scorer.add(0, docNo, fullGroup());
      return scorer;
    };
    const statistics = { chunkCount: 128 * maxPartChunks, sumLength: 128 * maxPartChunks * 100_000 };
    expect((await filled().finish(statistics, running.signal)).of(127, maxPartChunks - 1)).to.be.greaterThan(0);
    const left = await filled()
      .finish(statistics, goneNextTurn())
      .catch((error: unknown) => AppError.from(error).reason);
    expect(left).to.equal('CANCELLED');
  });
});
