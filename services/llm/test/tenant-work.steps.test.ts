import { expect } from 'chai';
import { purgeStep } from '../src/tenant-work/purge.ts';
import { resealStep } from '../src/tenant-work/reseal.ts';
import { CitationPolicy } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { collect, reasonOf } from './support/harness.ts';
import { as, newTenant, openStore, type StoreHarness } from './support/store.ts';

const question = 'Why was warfarin stopped?';
const { signal } = new AbortController();
const settledAt = new Date();

describe('work with a tenant’s conversations', () => {
  let store: StoreHarness;
  let tenantId: string;
  before(async function () {
    this.timeout(60_000);
    store = await openStore({ retention: { maxConversations: 100, maxTurns: 50 } });
  });
  after(() => store.close());
  beforeEach(() => {
    tenantId = newTenant();
  });

  const begin = async (turns: number, tenant = tenantId): Promise<string> => {
    const { conversation } = await store.conversations.createConversation({}, as(tenant));
    const conversationId = conversation?.conversationId ?? '';
    for (let turn = 0; turn < turns; turn += 1) {
      await collect(store.answers.answer({ question, conversationId }, as(tenant)));
    }
    return conversationId;
  };
  const versions = async (tenant = tenantId): Promise<string[]> => {
    const rows = await store.testDatabase.query(
      `select key_version as v from llm.conversation where tenant_id = $1
       union all select key_version from llm.turn where tenant_id = $1`,
      [tenant],
    );
    return rows.map(({ v }) => String(v));
  };
  const reseal = (keyVersion: number) => resealStep(store.deps)({ tenantId, keyVersion, settledAt }, signal);

  it('seals titles and turns again, step by step, and what is new opens when the old version is retired', async function () {
    this.timeout(60_000);
    const long = await begin(25);
    for (let number = 0; number < 51; number += 1) await begin(0);
    store.useKeyVersion(tenantId, 2);
    expect(await reseal(2)).to.deep.equal({ documentsDone: 50, documentsLeft: 2 });
    expect(await reseal(2)).to.deep.equal({ documentsDone: 2, documentsLeft: 0 });
    expect(await reseal(2)).to.deep.equal({ documentsDone: 0, documentsLeft: 0 });
    expect(new Set(await versions())).to.deep.equal(new Set(['2']));
    store.useKeyVersion(tenantId, 2, 2);
    const { conversation, turns } = await store.conversations.getConversation({ conversationId: long }, as(tenantId));
    expect(conversation?.title).to.equal(question);
    expect(turns).to.have.length(25);
    expect(turns[24]?.citations).to.have.length(1);
  });

  it('leaves other tenants as they are', async () => {
    const other = newTenant();
    await begin(1, other);
    await begin(1);
    store.useKeyVersion(tenantId, 2);
    await reseal(2);
    expect(await versions(other)).to.deep.equal(['1', '1']);
    expect(await versions()).to.deep.equal(['2', '2']);
  });

  it('goes on where it was killed, in the middle of a conversation', async () => {
    await begin(3);
    store.useKeyVersion(tenantId, 2);
    let replaced = 0;
    const dying: typeof store.deps.database = {
      ...store.deps.database,
      inTenant: (tenant, work) => {
        replaced += 1;
        if (replaced > 5) throw new Error('killed');
        return store.deps.database.inTenant(tenant, work);
      },
    };
    const killed = resealStep({ ...store.deps, database: dying })({ tenantId, keyVersion: 2, settledAt }, signal);
    expect(await reasonOf(killed)).to.equal('INTERNAL');
    expect(new Set(await versions())).to.deep.equal(new Set(['1', '2']));
    expect(await reseal(2)).to.deep.equal({ documentsDone: 1, documentsLeft: 0 });
    expect(new Set(await versions())).to.deep.equal(new Set(['2']));
  });

  it('says nothing is left only of the version that it was asked about', async () => {
    await begin(1);
    // This process has not heard of the new version.
    expect(await reasonOf(reseal(2))).to.equal('KEY_UNAVAILABLE');
    expect(await versions()).to.deep.equal(['1', '1']);
  });

  it('is not held up by a value that opens under no key: it stays, is reported, and counts as done', async () => {
    const conversationId = await begin(2);
    await store.testDatabase.query(
      `update llm.turn set question_sealed = 'damaged' where conversation_id = $1 and number = 1`,
      [conversationId],
    );
    store.useKeyVersion(tenantId, 2);
    expect(await reseal(2)).to.deep.equal({ documentsDone: 1, documentsLeft: 0 });
    const [row] = await store.testDatabase.query(
      'select question_sealed as sealed from llm.turn where conversation_id = $1 and number = 1',
      [conversationId],
    );
    expect(row?.['sealed']).to.equal('damaged');
    expect(store.logs.join('')).to.contain('opens under no key');
    expect(await store.registry.metrics()).to.contain('wardstone_llm_unreadable_values_total{field="question"} 1');
  });

  it('seals what is written meanwhile under the new version', async () => {
    const conversationId = await begin(1);
    store.useKeyVersion(tenantId, 2);
    await collect(store.answers.answer({ question, conversationId }, as(tenantId)));
    expect((await versions()).sort()).to.deep.equal(['1', '1', '2']);
    await reseal(2);
    expect(new Set(await versions())).to.deep.equal(new Set(['2']));
  });

  it('removes everything of a tenant that left without a key, counts it, and touches no other', async () => {
    const other = newTenant();
    await begin(1, other);
    for (const turns of [2, 1, 0]) await begin(turns);
    const settings = { model: 'quality', citationPolicy: CitationPolicy.MARK };
    await store.settings.updateAnswerSettings({ settings }, as(tenantId, { roles: ['tenant_admin'] }));
    store.useKeyVersion(tenantId, 9, 9);
    const step = await purgeStep(store.deps)({ tenantId }, signal);
    const removed = { conversations: 3, turns: 3, other_rows: 2 };
    expect(step).to.deep.equal({ documentsDone: 3, documentsLeft: 0, removed });
    const { rows } = {
      rows: await store.testDatabase.query(
        `select table_name as name from information_schema.columns
       where table_schema = 'llm' and column_name = 'tenant_id'`,
      ),
    };
    expect(rows.map(({ name }) => name)).to.have.length(5);
    for (const { name } of rows) {
      const left = await store.testDatabase.query(`select 1 from llm.${String(name)} where tenant_id = $1`, [tenantId]);
      expect(left, String(name)).to.have.length(0);
    }
    const again = await purgeStep(store.deps)({ tenantId }, signal);
    expect(again.removed).to.deep.equal({ conversations: 0, turns: 0, other_rows: 0 });
    const { conversations } = await store.conversations.listConversations({}, as(other));
    expect(conversations).to.have.length(1);
  });

  it('is of one tenant in every table: the database shows and takes no other’s rows', async () => {
    await begin(1);
    const other = newTenant();
    for (const table of ['conversation', 'turn', 'model_usage', 'answer_settings', 'budget_reservation']) {
      const rows = await store.database.inTenant(other, (tx) => tx.query<object[]>(`select 1 from ${table}`));
      expect(rows, table).to.deep.equal([]);
      const [forced] = await store.testDatabase.query(
        'select relforcerowsecurity as forced from pg_class where oid = $1::regclass',
        [`llm.${table}`],
      );
      expect(forced, table).to.deep.equal({ forced: true });
    }
    const foreign = store.database.inTenant(other, (tx) =>
      tx.query(`insert into model_usage values ($1, '2026-01', 'm', 1, 0, 0, 0, 0, 0)`, [tenantId]),
    );
    expect(
      await foreign.then(
        () => 'written',
        (error: unknown) => String(error),
      ),
    ).to.contain('row-level security');
  });
});
