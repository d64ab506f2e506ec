import { expect } from 'chai';
import { createHistoryKeeper } from '../src/jobs/history-keeper.ts';
import { collect, reasonOf } from './support/harness.ts';
import { as, newTenant, openStore, type StoreHarness } from './support/store.ts';

const dayMs = 24 * 60 * 60_000;

describe('conversations that nobody uses', () => {
  let store: StoreHarness;
  let tenantId: string;
  before(async function () {
    this.timeout(60_000);
    store = await openStore({ retention: { maxAgeMs: 30 * dayMs } });
  });
  after(() => store.close());
  beforeEach(() => {
    tenantId = newTenant();
    store.events.length = 0;
    store.faults.audit = false;
  });

  const begin = async (unusedDays: number): Promise<string> => {
    const { conversation } = await store.conversations.createConversation({}, as(tenantId));
    const conversationId = conversation?.conversationId ?? '';
    await store.testDatabase.query(
      `update llm.conversation set updated_at = now() - make_interval(days => $2) where conversation_id = $1`,
      [conversationId, unusedDays],
    );
    return conversationId;
  };
  const rows = async (): Promise<number> =>
    (await store.testDatabase.query('select 1 from llm.conversation where tenant_id = $1', [tenantId])).length;

  it('are gone for everybody as soon as they are too old, whenever they are removed', async () => {
    const old = await begin(31);
    const young = await begin(29);
    const { conversations } = await store.conversations.listConversations({}, as(tenantId));
    expect(conversations.map(({ conversationId }) => conversationId)).to.deep.equal([young]);
    const get = store.conversations.getConversation({ conversationId: old }, as(tenantId));
    expect(await reasonOf(get)).to.equal('CONVERSATION_NOT_FOUND');
    const answer = store.answers.answer({ question: 'Why?', conversationId: old }, as(tenantId));
    expect(await reasonOf(collect(answer))).to.equal('CONVERSATION_NOT_FOUND');
    expect(await rows()).to.equal(2);
  });

  it('are removed with an audit event, and not without it', async () => {
    const old = await begin(31);
    await begin(1);
    const keeper = createHistoryKeeper(store.deps);
    store.faults.audit = true;
    expect(await keeper.pass()).to.equal(0);
    expect(await rows()).to.equal(2);
    store.faults.audit = false;
    store.events.length = 0;
    await keeper.pass();
    expect(await rows()).to.equal(1);
    expect(store.recordedInTransaction).to.deep.equal([]);
    const mine = store.events.filter(({ principal }) => principal.tenantId === tenantId);
    expect(mine.map(({ action, resourceIds, principal }) => [action, resourceIds, principal.subject])).to.deep.equal([
      ['conversation.expire', [old], 'service:llm'],
    ]);
    await keeper.close();
  });

  it('stay where no bound on age is set', async () => {
    await begin(3_000);
    const keeper = createHistoryKeeper({ ...store.deps, retention: { ...store.deps.retention, maxAgeMs: undefined } });
    expect(await keeper.pass()).to.equal(0);
    expect(await rows()).to.equal(1);
  });
});
