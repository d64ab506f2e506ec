import { expect } from 'chai';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { AppError, type Reason } from '@wardstone/rpc';
import { createQuestionVectors } from '../src/adapters/question-vectors.ts';
import { mergeAll } from './support/keyword-ranking.ts';
import { as, clinician, type Harness, openHarness, reasonOf, seededVector } from './support/harness.ts';

const secret = 'Mrs Abernathy has polycythaemia';

describe('search: protection', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
  });
  afterEach(() => {
    harness.faults.audit = false;
    harness.faults.keys = false;
    harness.events.length = 0;
    harness.logs.length = 0;
  });
  after(() => harness.close());

  const texts = [secret, 'second', 'third', 'fourth'];
  const document = (tenantId: string) => ({
    tenantId,
    title: `Letter on ${secret}`,
    chunks: texts.map((text, at) => ({ text, vector: seededVector(at) })),
  });
  const searchAll = (tenantId: string, topK = 100) => harness.client.search({ query: secret, topK }, as(tenantId));

  it('is audited with the documents it shows, in the name of who asked', async () => {
    const tenantId = uuidv7();
    const { documentId } = await harness.index(document(tenantId));
    harness.events.length = 0;
    await searchAll(tenantId);
    expect(harness.events).to.have.length(1);
    expect(harness.events[0]).to.deep.include({
      action: 'search.read',
      resourceType: 'document',
      resourceIds: [documentId],
      outcome: 'success',
      attributes: { hits: '4', unreadable: '0', top_k: '100', model: 'test-model' },
    });
    expect(harness.events[0]?.principal.subject).to.equal('user-1');
  });

  it('shows nothing while audit is down', async () => {
    const tenantId = uuidv7();
    await harness.index(document(tenantId));
    harness.faults.audit = true;
    expect(await reasonOf(searchAll(tenantId))).to.equal('AUDIT_UNAVAILABLE');
  });

  it('says KEY_UNAVAILABLE, and counts no chunk as damaged, while keys cannot be had', async () => {
    const tenantId = uuidv7();
    await harness.index(document(tenantId));
    harness.faults.keys = true;
    expect(await reasonOf(searchAll(tenantId))).to.equal('KEY_UNAVAILABLE');
    expect(harness.events.filter(({ action }) => action === 'search.read')).to.deep.equal([]);
  });

  it('says DATABASE_UNAVAILABLE while the database is away, and works when it is back', async () => {
    const tenantId = uuidv7();
    await harness.index(document(tenantId));
    const server = await harness.testDatabase.refuseConnections();
    expect(await reasonOf(searchAll(tenantId))).to.equal('DATABASE_UNAVAILABLE');
    await server.accept();
    expect((await searchAll(tenantId)).hits).to.have.length(4);
  });

  it('leaves a damaged row out, tells so, and gives the next best in its place', async () => {
    const tenantId = uuidv7();
    const { documentId } = await harness.index(document(tenantId));
    await harness.testDatabase.query(
      `update retrieval.chunk set passage_sealed = passage_sealed || 'x' where document_id = $1 and ordinal = 0`,
      [documentId],
    );
    const { hits, unreadableChunks } = await searchAll(tenantId, 3);
    expect(hits.map(({ text }) => text).toSorted()).to.deep.equal(['fourth', 'second', 'third']);
    expect(unreadableChunks).to.equal(1);
    expect(harness.logs.join('')).to.contain('a chunk could not be opened').and.to.contain(documentId);
    expect(await harness.registry.metrics()).to.contain('wardstone_retrieval_unreadable_chunks_total 1');
  });

  it('does not open a row that was moved to another tenant, document, position or version', async () => {
    const [tenantId, other] = [uuidv7(), uuidv7()];
    const from = await harness.index(document(tenantId));
    const foreign = await harness.index({ ...document(other), chunks: [{ text: 'foreign', vector: seededVector(9) }] });
    const own = await harness.index({ ...document(tenantId), chunks: [{ text: 'own', vector: seededVector(8) }] });
    const copy = (target: string, into: string, version: number, ordinal: number, source: number) =>
      harness.testDatabase.query(
        `with passage as (
           insert into retrieval.chunk (tenant_id, document_id, version, ordinal, passage_sealed, content_key_version)
           select $1, $2, $3, $4, passage_sealed, content_key_version
           from retrieval.chunk where document_id = $5 and version = 1 and ordinal = $6)
         insert into retrieval.chunk_vector
           (tenant_id, document_id, version, ordinal, model_id, vector_key_version, embedding)
         select $1, $2, $3, $4, model_id, vector_key_version, embedding
         from retrieval.chunk_vector where document_id = $5 and version = 1 and ordinal = $6`,
        [target, into, version, ordinal, from.documentId, source],
      );
    await copy(other, foreign.documentId, 1, 1, 1);
    await copy(tenantId, own.documentId, 1, 1, 1);
    await copy(tenantId, from.documentId, 1, 7, 0);
    await copy(tenantId, from.documentId, 2, 0, 0);
    const theirs = await searchAll(other);
    expect([theirs.hits.map(({ text }) => text), theirs.unreadableChunks]).to.deep.equal([['foreign'], 1]);
    const ours = await searchAll(tenantId);
    expect(ours.hits.map(({ text }) => text).toSorted()).to.deep.equal([...texts, 'own'].toSorted());
    expect(ours.unreadableChunks).to.equal(3);
  });

  it('sees nothing of another tenant even in SQL of its own role', async () => {
    const [tenantId, other] = [uuidv7(), uuidv7()];
    await harness.index(document(tenantId));
    for (const table of ['chunk', 'chunk_vector', 'tenant_model', 'indexed_document', 'removed_document']) {
      const count = async (bound: string): Promise<unknown> =>
        harness.database.inTenant(bound, (tx) => tx.query(`select count(*)::int as n from ${table}`));
      expect(await count(other)).to.deep.equal([{ n: 0 }]);
      const unbound: unknown = await harness.database.inPlatform((tx) =>
        tx.query(`select count(*)::int as n from ${table}`),
      );
      expect(unbound).to.deep.equal([{ n: 0 }]);
    }
    const insert = harness.database.inTenant(other, (tx) =>
      tx.query(`insert into removed_document (tenant_id, document_id) values ($1, $2)`, [tenantId, uuidv7()]),
    );
    await insert.then(
      () => expect.fail('a row of another tenant was written'),
      (error: unknown) => expect(String(error)).to.contain('row-level security'),
    );
  });

  it('keeps no word in the database, and sends none to it, in clear or in hex', async () => {
    const tenantId = uuidv7();
    const sent = recordStatements();
    try {
      const { documentId } = await harness.index({
        ...document(tenantId),
        labels: ['abernathyfamily'],
        metadata: { ward: 'polycythaemiaward' },
      });
      const filters = [{ field: 'label', value: 'abernathyfamily' }];
      const { hits } = await harness.client.search({ query: `${secret} dialysis`, filters }, as(tenantId));
      expect(hits).to.have.length(4);
      expect(hits[0]?.keywordScore).to.be.greaterThan(0);
      await mergeAll(harness, tenantId);
      await harness.client.search({ query: `${secret} dialysis` }, as(tenantId));
      expect(sent.statements.join('')).to.contain('keyword_segment').and.to.contain(documentId);
    } finally {
      sent.stop();
    }
    const kept = {
      database: JSON.stringify(await everyRow()),
      statements: sent.statements.join('\n'),
      log: harness.logs.join(''),
      events: JSON.stringify(harness.events),
    };
    const words = ['abernathy', 'polycythaemia', 'dialysis'];
    for (const [place, text] of Object.entries(kept)) {
      expect(leaksIn(text, words), place).to.deep.equal([]);
      // What is looked for would be found: planted, in either form.
      const hex = Buffer.from('Polycythaemia').toString('hex');
      expect(leaksIn(`${text}${hex} Dialysis`, words)).to.have.members(['polycythaemia', 'dialysis']);
    }
    await harness.database.inTenant(tenantId, (tx) =>
      tx.query(`update tenant_model set model_id = 'dialysis' where tenant_id = $1`, [tenantId]),
    );
    expect(leaksIn(JSON.stringify(await everyRow()), words)).to.deep.equal(['dialysis']);
  });

  /** Every row of every table of the schema, as text. */
  async function everyRow(): Promise<unknown[]> {
    const tables = await harness.testDatabase.query(
      `select table_name as name from information_schema.tables where table_schema = 'retrieval'`,
    );
    expect(tables).to.have.length.greaterThan(8);
    const rows = tables.map(({ name }) =>
      harness.testDatabase.query(`select t::text as row from retrieval.${String(name)} t`),
    );
    return (await Promise.all(rows)).flat();
  }

  it('keeps vectors in the row', async () => {
    const storage = await harness.testDatabase.query(
      `select attname, attstorage::text from pg_attribute
       where attrelid in ('retrieval.chunk'::regclass, 'retrieval.chunk_vector'::regclass)
         and attname in ('embedding', 'passage_sealed') order by attname`,
    );
    expect(storage).to.deep.equal([
      { attname: 'embedding', attstorage: 'p' },
      { attname: 'passage_sealed', attstorage: 'e' },
    ]);
  });
});

/** Everything that is sent to Postgres, with its parameters, as a log of statements would have it. */
function recordStatements(): { readonly statements: string[]; stop(): void } {
  const statements: string[] = [];
  const original = Object.getOwnPropertyDescriptor(pg.Client.prototype, 'query');
  const query = original?.value as (...sent: unknown[]) => unknown;
  Object.defineProperty(pg.Client.prototype, 'query', {
    ...original,
    value(this: pg.Client, ...sent: unknown[]) {
      statements.push(
        JSON.stringify(sent, (_, value: unknown) =>
          value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
        ),
      );
      return query.apply(this, sent);
    },
  });
  return {
    statements,
    stop: () => {
      if (original !== undefined) Object.defineProperty(pg.Client.prototype, 'query', original);
    },
  };
}

/** The words that stand in a text, in any case, as they are or as the hexadecimal of their bytes. */
function leaksIn(text: string, words: readonly string[]): string[] {
  const lower = text.toLowerCase();
  const hex = (word: string): string => Buffer.from(word).toString('hex');
  return words.filter((word) => {
    const capital = `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`;
    return [word, hex(word), hex(capital)].some((form) => lower.includes(form));
  });
}

describe('question vectors: the model away', () => {
  const call = {
    principal: clinician(uuidv7()),
    peer: 'gateway',
    requestId: 'request-1',
    signal: new AbortController().signal,
    timeoutMs: () => 5_000,
    log: undefined as never,
  };
  const failing = (reason: Reason) => createQuestionVectors({ embed: () => Promise.reject(new AppError(reason)) });

  for (const reason of ['SERVICE_UNAVAILABLE', 'INTERNAL', 'DEADLINE_EXCEEDED', 'TOKEN_INVALID'] as const) {
    it(`turns ${reason} into MODEL_UNAVAILABLE`, async () => {
      expect(await reasonOf(failing(reason).vectorOf('x', call))).to.equal('MODEL_UNAVAILABLE');
    });
  }

  for (const reason of ['AUDIT_UNAVAILABLE', 'PERMISSION_DENIED', 'CANCELLED'] as const) {
    it(`passes ${reason} on`, async () => {
      expect(await reasonOf(failing(reason).vectorOf('x', call))).to.equal(reason);
    });
  }

  it("passes the caller's own deadline on", async () => {
    const late = { ...call, timeoutMs: () => 10 };
    expect(await reasonOf(failing('DEADLINE_EXCEEDED').vectorOf('x', late))).to.equal('DEADLINE_EXCEEDED');
  });

  it('takes a vector of another length for no vector', async () => {
    const embed = () => Promise.resolve({ embeddings: [{ values: [1, 0] }], modelId: 'm', dimensions: 2 } as never);
    expect(await reasonOf(createQuestionVectors({ embed }).vectorOf('x', call))).to.equal('MODEL_UNAVAILABLE');
  });
});
