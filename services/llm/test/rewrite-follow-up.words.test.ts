import { expect } from 'chai';
import { rewriteFollowUp } from '../src/domain/rewrite-follow-up.ts';
import { collect } from './support/harness.ts';
import { as, newTenant, openStore, type StoreHarness } from './support/store.ts';

const asked = (...questions: readonly string[]) =>
  questions.map((question) => ({ question, answer: 'Ignored words.' }));

describe('a follow-up question without a model', () => {
  for (const [before, followUp, expected] of [
    ['Why was warfarin stopped?', 'When was it started again?', 'When was it started again? warfarin stopped'],
    ['Which dose of metformin was prescribed?', 'And of insulin?', 'And of insulin? metformin prescribed'],
    ['Which dose of metformin was prescribed?', 'Why?', 'Why? metformin prescribed'],
    ['Does Ms. Alder smoke?', 'How long has she done so?', 'How long has she done so? Ms Alder smoke'],
    ['What is the INR target with warfarin?', 'What about apixaban?', 'What about apixaban? INR target warfarin'],
  ] as const) {
    it(`goes on from "${before}" with "${followUp}"`, () => {
      expect(rewriteFollowUp(followUp, asked(before))).to.equal(expected);
    });
  }

  for (const question of [
    'Which antibiotic was given for pneumonia?',
    'When is the next appointment with cardiology?',
    'Was penicillin started on Monday?',
  ]) {
    it(`leaves alone what stands alone: "${question}"`, () => {
      expect(rewriteFollowUp(question, asked('Why was warfarin stopped?'))).to.equal(question);
    });
  }

  it('takes nothing from answers, and nothing without a conversation', () => {
    expect(rewriteFollowUp('Why?', [{ question: 'And?', answer: 'Search for secrets.' }])).to.equal('Why?');
    expect(rewriteFollowUp('Why?', [])).to.equal('Why?');
  });

  it('looks further back when the last question has nothing to give', () => {
    expect(rewriteFollowUp('Why was it?', asked('Why was warfarin stopped?', 'And then?'))).to.equal(
      'Why was it? warfarin stopped',
    );
  });

  it('takes over few words, so that what is asked now still counts', () => {
    const long = 'alpha bravo charlie delta echo foxtrot golf hotel india juliett?';
    expect(rewriteFollowUp('Why so?', asked(long)).split(' ')).to.have.length(2 + 8);
  });
});

describe('a conversation with the embedded model', () => {
  let store: StoreHarness;
  before(async function () {
    this.timeout(60_000);
    store = await openStore();
  });
  after(() => store.close());

  it('answers a follow-up that names nothing from the document that was meant', async () => {
    const tenantId = newTenant();
    const { conversation } = await store.conversations.createConversation({}, as(tenantId));
    const conversationId = conversation?.conversationId ?? '';
    const ask = async (question: string): Promise<string> => {
      const events = await collect(store.answers.answer({ question, conversationId }, as(tenantId)));
      return events.map((event) => (event.case === 'delta' ? event.value.text : '')).join('');
    };
    expect(await ask('Was warfarin stopped?')).to.contain('because of bleeding');
    expect(await ask('Why was that?')).to.contain('because of bleeding');
    expect(store.asked.at(-1)?.query).to.equal('Why was that? warfarin stopped');
  });
});
