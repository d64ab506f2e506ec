import { expect } from 'chai';
import type { Conversation } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { eventually } from '@wardstone/testing';
import { v7 as uuidv7 } from 'uuid';
import { collect, reasonOf } from './support/harness.ts';
import { as, newTenant, openStore, type StoreHarness } from './support/store.ts';

const question = 'Why was warfarin stopped?';

describe('conversations', () => {
  let store: StoreHarness;
  let tenantId: string;
  before(async function () {
    this.timeout(60_000);
    const limits = { maxAnswers: 4, tenantSlotPercent: 50 };
    store = await openStore({ retention: { maxConversations: 4, maxTurns: 2 }, limits });
  });
  after(() => store.close());
  beforeEach(() => {
    tenantId = newTenant();
    store.events.length = 0;
    store.faults.audit = false;
  });

  const begin = async (title = '', who = {}): Promise<Conversation> => {
    const { conversation } = await store.conversations.createConversation({ title }, as(tenantId, who));
    if (conversation === undefined) throw new Error('nothing was begun');
    return conversation;
  };
  const ask = async (conversationId: string, asked = question) =>
    collect(store.answers.answer({ question: asked, conversationId }, as(tenantId)));
  const get = (conversationId: string, who = {}, tenant = tenantId) =>
    store.conversations.getConversation({ conversationId }, as(tenant, who));
  const titles = async (who = {}): Promise<string[]> =>
    (await store.conversations.listConversations({}, as(tenantId, who))).conversations.map(({ title }) => title);

  it('are begun, listed newest first, read and deleted by who began them', async () => {
    const first = await begin('First');
    const second = await begin('Second');
    expect(await titles()).to.deep.equal(['Second', 'First']);
    const { conversation, turns } = await get(first.conversationId.toUpperCase());
    expect(conversation).to.deep.equal(first);
    expect(turns).to.deep.equal([]);
    await store.conversations.deleteConversation({ conversationId: second.conversationId }, as(tenantId));
    expect(await titles()).to.deep.equal(['First']);
    expect(await reasonOf(get(second.conversationId))).to.equal('CONVERSATION_NOT_FOUND');
  });

  it('keep each question with its answer, its citations and how it ended', async () => {
    const { conversationId } = await begin();
    const events = await ask(conversationId);
    const done = events.at(-1);
    expect(done?.case === 'done' && [done.value.conversationId, done.value.turn]).to.deep.equal([conversationId, 1]);
    const { conversation, turns } = await get(conversationId);
    expect([conversation?.title, conversation?.turnCount]).to.deep.equal([question, 1]);
    const [turn] = turns;
    expect(turn).to.include({ turn: 1, question, standaloneQuestion: question, modelId: 'wardstone-extractive-1' });
    expect(turn?.answer).to.equal('Warfarin was stopped because of bleeding.');
    const sent = events.flatMap((event) => (event.case === 'citation' ? [event.value] : []));
    expect(sent).to.have.length(1);
    expect(turn?.citations).to.deep.equal(sent);
  });

  it('keep the title that they were given', async () => {
    const { conversationId } = await begin('Anticoagulation');
    await ask(conversationId);
    expect((await get(conversationId)).conversation?.title).to.equal('Anticoagulation');
  });

  for (const [whose, who] of [
    ['another person', { subject: 'user-2' }],
    ['the administrator', { subject: 'admin', roles: ['tenant_admin'] }],
    ['a program with the same subject', { kind: 'client' as const }],
  ] as const) {
    it(`do not exist for ${whose} of the tenant`, async () => {
      const { conversationId } = await begin('Mine');
      await ask(conversationId);
      expect(await titles(who)).to.deep.equal([]);
      expect(await reasonOf(get(conversationId, who))).to.equal('CONVERSATION_NOT_FOUND');
      const remove = store.conversations.deleteConversation({ conversationId }, as(tenantId, who));
      expect(await reasonOf(remove)).to.equal('CONVERSATION_NOT_FOUND');
      const answer = collect(store.answers.answer({ question, conversationId }, as(tenantId, who)));
      expect(await reasonOf(answer)).to.equal('CONVERSATION_NOT_FOUND');
      expect((await get(conversationId)).turns).to.have.length(1);
    });
  }

  it('do not exist for the same subject of another tenant', async () => {
    const { conversationId } = await begin('Mine');
    const other = newTenant();
    expect(await reasonOf(get(conversationId, {}, other))).to.equal('CONVERSATION_NOT_FOUND');
    const remove = store.conversations.deleteConversation({ conversationId }, as(other));
    expect(await reasonOf(remove)).to.equal('CONVERSATION_NOT_FOUND');
    const answer = collect(store.answers.answer({ question, conversationId }, as(other)));
    expect(await reasonOf(answer)).to.equal('CONVERSATION_NOT_FOUND');
    expect(await titles()).to.deep.equal(['Mine']);
  });

  it('are paged, and a page token fits its own list only', async () => {
    for (const title of ['a', 'b', 'c']) await begin(title);
    const page = await store.conversations.listConversations({ pageSize: 2 }, as(tenantId));
    expect(page.conversations.map(({ title }) => title)).to.deep.equal(['c', 'b']);
    const { nextPageToken: pageToken } = page;
    const rest = await store.conversations.listConversations({ pageSize: 2, pageToken }, as(tenantId));
    expect(rest.conversations.map(({ title }) => title)).to.deep.equal(['a']);
    expect(rest.nextPageToken).to.equal('');
    for (const options of [as(tenantId, { subject: 'user-2' }), as(newTenant())]) {
      expect(await reasonOf(store.conversations.listConversations({ pageToken }, options))).to.equal(
        'PAGE_TOKEN_INVALID',
      );
    }
  });

  it('are bounded: beyond it the one used longest ago goes, of the same owner alone', async () => {
    const { conversationId: others } = await begin('other', { subject: 'user-2' });
    const first = await begin('first');
    const second = await begin('second');
    for (const title of ['third', 'fourth']) await begin(title);
    await ask(first.conversationId);
    await begin('fifth');
    expect(await titles()).to.deep.equal(['fifth', 'fourth', 'third', 'first']);
    expect((await get(others, { subject: 'user-2' })).conversation?.title).to.equal('other');
    const bound = store.events.filter(({ attributes }) => attributes?.['cause'] === 'bound');
    expect(bound.map(({ action, resourceIds }) => [action, resourceIds])).to.deep.equal([
      ['conversation.delete', [second.conversationId]],
    ]);
  });

  it('keep as many turns as they may, and number them on', async () => {
    const { conversationId } = await begin();
    for (let turn = 1; turn <= 3; turn += 1) await ask(conversationId);
    const { conversation, turns } = await get(conversationId);
    expect(turns.map(({ turn }) => turn)).to.deep.equal([2, 3]);
    expect(conversation?.turnCount).to.equal(3);
  });

  it('leave an audit event for every access, also for what is not there', async () => {
    const { conversationId } = await begin('Mine');
    await get(conversationId);
    await titles();
    const unknown = uuidv7();
    await reasonOf(get(unknown));
    await store.conversations.deleteConversation({ conversationId }, as(tenantId));
    await reasonOf(store.conversations.deleteConversation({ conversationId }, as(tenantId)));
    const seen = store.events.map(({ action, resourceIds, outcome }) => [action, resourceIds, outcome]);
    expect(seen).to.deep.equal([
      ['conversation.create', [conversationId], 'success'],
      ['conversation.read', [conversationId], 'success'],
      ['conversation.list', [conversationId], 'success'],
      ['conversation.read', [unknown], 'failure'],
      ['conversation.delete', [conversationId], 'success'],
      ['conversation.delete', [conversationId], 'failure'],
    ]);
    expect(JSON.stringify(store.events)).not.to.contain('Mine');
  });

  it('are neither shown nor changed while audit is down', async () => {
    const { conversationId } = await begin('Mine');
    store.faults.audit = true;
    for (const work of [
      () => begin('Another'),
      () => titles(),
      () => get(conversationId),
      () => store.conversations.deleteConversation({ conversationId }, as(tenantId)),
    ]) {
      expect(await reasonOf(work())).to.equal('AUDIT_UNAVAILABLE');
    }
    store.faults.audit = false;
    expect(await titles()).to.deep.equal(['Mine']);
  });

  it('are recorded before they are begun or deleted, with no transaction open meanwhile', async () => {
    const seen: [string, number][] = [];
    store.faults.onRecord = async ({ action }) => {
      const rows = await store.testDatabase.query('select 1 from llm.conversation where tenant_id = $1', [tenantId]);
      seen.push([action, rows.length]);
    };
    try {
      for (const title of ['a', 'b', 'c', 'd', 'e']) await begin(title);
      const { conversations } = await store.conversations.listConversations({}, as(tenantId));
      const [{ conversationId } = { conversationId: '' }] = conversations;
      await store.conversations.deleteConversation({ conversationId }, as(tenantId));
    } finally {
      store.faults.onRecord = undefined;
    }
    expect(seen.filter(([action]) => action !== 'conversation.list')).to.deep.equal([
      ['conversation.create', 0],
      ['conversation.create', 1],
      ['conversation.create', 2],
      ['conversation.create', 3],
      ['conversation.create', 4],
      ['conversation.delete', 4],
      ['conversation.delete', 4],
    ]);
    expect(store.recordedInTransaction).to.deep.equal([]);
  });

  it('are told of a second time when what was recorded could not be done', async () => {
    await store.testDatabase.query(
      `create or replace function llm.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`,
    );
    await store.testDatabase.query(
      'create trigger refuse before insert or delete on llm.conversation for each row execute function llm.refuse()',
    );
    try {
      expect(await reasonOf(begin('Mine'))).to.equal('INTERNAL');
    } finally {
      await store.testDatabase.query('drop trigger refuse on llm.conversation');
    }
    expect(store.events.map(({ action, outcome, reason }) => [action, outcome, reason])).to.deep.equal([
      ['conversation.create', 'success', undefined],
      ['conversation.create', 'failure', 'INTERNAL'],
    ]);
  });

  it('leave slots to other tenants, however many calls of one wait', async () => {
    const release = Promise.withResolvers<undefined>();
    store.faults.onRecord = ({ action }) => (action === 'conversation.list' ? release.promise : Promise.resolve());
    try {
      const waiting = [1, 2].map(() => titles());
      await eventually(() => store.events.length === 2);
      expect(await reasonOf(titles())).to.equal('RATE_LIMITED');
      expect(await reasonOf(get(uuidv7(), {}, newTenant()))).to.equal('CONVERSATION_NOT_FOUND');
      release.resolve(undefined);
      await Promise.all(waiting);
    } finally {
      store.faults.onRecord = undefined;
    }
  });

  it('do not open for somebody who was written into the row as the owner', async () => {
    const { conversationId } = await begin('Mine');
    await ask(conversationId);
    await store.testDatabase.query(`update llm.conversation set owner = 'user:user-2' where conversation_id = $1`, [
      conversationId,
    ]);
    const thief = { subject: 'user-2' };
    const shown = await get(conversationId, thief);
    expect(shown.conversation).to.include({ conversationId, title: '', unreadable: true });
    expect(shown.turns).to.deep.equal([]);
    expect(await titles(thief)).to.deep.equal(['']);
    const answer = collect(store.answers.answer({ question, conversationId }, as(tenantId, thief)));
    expect(await reasonOf(answer)).to.equal('SEALED_VALUE_INVALID');
  });

  it('are at rest without a word in clear, and open nowhere but in their place', async () => {
    const [one, two] = [await begin('Larkspur'), await begin('Quillfeather')];
    for (const { conversationId } of [one, two]) await ask(conversationId);
    const dump = async (): Promise<string> =>
      JSON.stringify([
        await store.testDatabase.query('select * from llm.conversation'),
        await store.testDatabase.query('select * from llm.turn'),
      ]);
    expect(await dump()).not.to.match(/larkspur|quillfeather|warfarin|bleeding/i);
    await store.testDatabase.query(
      `update llm.turn t set answer_sealed = o.answer_sealed from llm.turn o
       where t.conversation_id = $1 and o.conversation_id = $2`,
      [one.conversationId, two.conversationId],
    );
    expect((await get(one.conversationId)).turns[0]).to.include({ turn: 1, answer: '', unreadable: true });
    expect((await get(two.conversationId)).turns[0]).to.include({ turn: 1, unreadable: false });
  });

  it('are listed and shown beside what is damaged, which is marked, logged and counted', async () => {
    const [one, two] = [await begin('One'), await begin('Two')];
    for (const { conversationId } of [one, two]) await ask(conversationId);
    await ask(two.conversationId);
    await store.testDatabase.query(`update llm.conversation set title_sealed = 'x' where conversation_id = $1`, [
      one.conversationId,
    ]);
    await store.testDatabase.query(
      `update llm.turn set question_sealed = left(question_sealed, -4) || 'AAAA' where conversation_id = $1 and number = 1`,
      [two.conversationId],
    );
    const { conversations } = await store.conversations.listConversations({}, as(tenantId));
    expect(conversations.map(({ title, unreadable }) => [title, unreadable])).to.deep.equal([
      ['Two', false],
      ['', true],
    ]);
    const { turns } = await get(two.conversationId);
    expect(
      turns.map(({ turn, question: asked, answer, unreadable }) => [turn, asked, answer, unreadable]),
    ).to.deep.equal([
      [1, '', '', true],
      [2, question, 'Warfarin was stopped because of bleeding.', false],
    ]);
    expect(await store.registry.metrics()).to.match(/unreadable_values_total\{field="title"\} [1-9]/);
    expect(await store.registry.metrics()).to.match(/unreadable_values_total\{field="question"\} 1/);
    const lines = store.logs.filter((line) => line.includes('could not be opened'));
    expect(lines.join('')).to.contain(one.conversationId).and.to.contain(two.conversationId);
    expect(lines.join('')).not.to.match(/warfarin/i);
  });
});
