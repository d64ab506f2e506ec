import { AnswerOutcome } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { expect } from 'chai';
import type { AnswerInput, ConversationTurn } from '../src/ports.ts';
import { collect, reasonOf } from './support/harness.ts';
import { answered, says, scriptedModel } from './support/scripted-model.ts';
import { as, newTenant, openStore, type StoreHarness } from './support/store.ts';

const quote = 'Warfarin was stopped because of bleeding.';

describe('a question that goes on with a conversation', () => {
  let store: StoreHarness;
  let tenantId: string;
  let conversationId: string;
  const inputs: AnswerInput[] = [];
  const rewrites: { question: string; history: readonly ConversationTurn[] }[] = [];
  const restated = (question: string, history: readonly ConversationTurn[]) =>
    `${question} (of ${history.at(-1)?.question ?? ''})`;
  let rewording = restated;
  let meanwhile: () => Promise<unknown> = () => Promise.resolve();

  before(async function () {
    this.timeout(60_000);
    const answer = async function* (input: AnswerInput) {
      inputs.push(input);
      await meanwhile();
      if (input.question.startsWith('attack')) {
        yield { kind: 'done' as const, outcome: 'blocked' as const };
        return;
      }
      yield says(quote, [1, quote]);
      yield answered;
    };
    const model = scriptedModel(answer, {
      confidential: ['Canary: wdn7k2qpx94rtz.'],
      rewrite: ({ question, history }) => {
        rewrites.push({ question, history });
        return Promise.resolve(rewording(question, history));
      },
    });
    store = await openStore({ model, window: { maxTurns: 2 } });
  });
  after(() => store.close());
  beforeEach(async () => {
    for (const list of [inputs, rewrites, store.events]) list.length = 0;
    meanwhile = () => Promise.resolve();
    rewording = restated;
    tenantId = newTenant();
    const { conversation } = await store.conversations.createConversation({}, as(tenantId));
    conversationId = conversation?.conversationId ?? '';
  });
  const ask = (question: string) => collect(store.answers.answer({ question, conversationId }, as(tenantId)));
  const turnsOf = async () => (await store.conversations.getConversation({ conversationId }, as(tenantId))).turns;

  it('is rewritten with what came before, searched for as rewritten, and kept in both forms', async () => {
    await ask('one');
    expect(rewrites).to.deep.equal([]);
    await ask('two');
    expect(rewrites).to.deep.equal([{ question: 'two', history: [{ question: 'one', answer: quote }] }]);
    expect(store.asked.at(-1)?.query).to.equal('two (of one)');
    expect(inputs.at(-1)).to.include({ question: 'two (of one)' });
    const turns = await turnsOf();
    expect(turns.map((turn) => [turn.question, turn.standaloneQuestion])).to.deep.equal([
      ['one', 'one'],
      ['two', 'two (of one)'],
    ]);
  });

  it('gives the model no more turns than it may read, oldest first, in words that stand alone', async () => {
    for (const question of ['one', 'two', 'three', 'four']) await ask(question);
    expect(inputs.at(-1)?.history.map(({ question }) => question)).to.deep.equal([
      'two (of one)',
      'three (of two (of one))',
    ]);
  });

  it('shows its owner what was blocked, and gives none of it to the model', async () => {
    for (const question of ['one', 'attack 1', 'attack 2', 'attack 3']) await ask(question);
    rewrites.length = 0;
    await ask('two');
    const history = [{ question: 'one', answer: quote }];
    expect(rewrites).to.deep.equal([{ question: 'two', history }]);
    expect(inputs.at(-1)).to.deep.include({ question: 'two (of one)', history });
    const turns = await turnsOf();
    expect(turns.map(({ question }) => question)).to.deep.equal(['one', 'attack 1', 'attack 2', 'attack 3', 'two']);
    expect(turns[1]?.outcome).to.equal(AnswerOutcome.BLOCKED);
  });

  it('is searched for as it was asked when its rewriting grew too long', async () => {
    await ask('one');
    const long = 'x'.repeat(3_995);
    await ask(long);
    expect(store.asked.at(-1)?.query).to.equal(long);
  });

  for (const [what, added] of [
    ['an address', 'https://evil.example/?d=smith'],
    ['a script', '<svg/onload=x()>'],
    ['characters that are not seen', 'of\u200b him'],
    ['the canary', 'wdn7k2qpx94rtz'],
  ] as const) {
    it(`is searched for as it was asked when its rewriting brings in ${what}`, async () => {
      await ask('one');
      rewording = (question) => `${question} ${added}`;
      await ask('two');
      expect(store.asked.at(-1)?.query).to.equal('two');
      expect(inputs.at(-1)).to.include({ question: 'two' });
    });
  }

  it('may hold an address that was asked about before', async () => {
    await ask('What is at https://clinic.example.org/a?');
    rewording = (question) => `${question} at https://clinic.example.org/a`;
    await ask('two');
    expect(store.asked.at(-1)?.query).to.equal('two at https://clinic.example.org/a');
  });

  it('is audited before anything of the conversation is used', async () => {
    await ask('one');
    store.events.length = 0;
    await ask('two');
    expect(store.events.map(({ action, attributes }) => [action, attributes?.['turns']])).to.deep.equal([
      ['conversation.read', '1'],
      ['answer.create', undefined],
      ['answer.end', undefined],
    ]);
    store.faults.audit = true;
    rewrites.length = 0;
    expect(await reasonOf(ask('three'))).to.equal('AUDIT_UNAVAILABLE');
    expect(rewrites).to.deep.equal([]);
    store.faults.audit = false;
  });

  it('is answered whole when the conversation is deleted meanwhile, and kept nowhere', async () => {
    meanwhile = () => store.conversations.deleteConversation({ conversationId }, as(tenantId));
    const done = (await ask('one')).at(-1);
    expect(done?.case === 'done' && done.value.turn).to.equal(0);
    expect(await reasonOf(turnsOf())).to.equal('CONVERSATION_NOT_FOUND');
    const rows = await store.testDatabase.query('select 1 from llm.turn where conversation_id = $1', [conversationId]);
    expect(rows).to.have.length(0);
  });

  it('gets a number of its own when two are answered at once', async () => {
    const done = await Promise.all([ask('one'), ask('two'), ask('three')]);
    const numbers = done.map((events) => {
      const last = events.at(-1);
      return last?.case === 'done' ? last.value.turn : 0;
    });
    expect(numbers.sort()).to.deep.equal([1, 2, 3]);
    expect(await turnsOf()).to.have.length(3);
  });

  it('goes on without what does not open, and without what lies before it, and says so', async () => {
    for (const question of ['one', 'two']) await ask(question);
    await store.testDatabase.query(
      `update llm.turn set answer_sealed = 'damaged' where conversation_id = $1 and number = 2`,
      [conversationId],
    );
    await ask('three');
    expect(inputs.at(-1)?.history).to.deep.equal([]);
    expect(store.logs.join('')).to.contain('a turn could not be opened');
    expect(await store.registry.metrics()).to.contain('wardstone_llm_unreadable_values_total{field="answer"} 1');
  });
});
