import { expect } from 'chai';
import { asPrincipal } from '@wardstone/rpc';
import {
  AnswerOutcome,
  GuardFinding,
  QuoteMatch,
  StatementProblem,
  StatementSupport,
} from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { unsupported } from '../src/domain/outcomes.ts';
import type { CitationPolicy, ConversationTurn, ModelEvent, ModelUsage, NewTurn } from '../src/ports.ts';
import { clinician, collect, createHarness, reasonOf, settings } from './support/harness.ts';
import { answered, says, scriptedModel } from './support/scripted-model.ts';

const question = 'Why was warfarin stopped?';
const quote = 'Warfarin was stopped because of bleeding.';
const as = () => asPrincipal(clinician, { requestId: 'request-1' });
const conversationId = '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f77';
const usage: ModelUsage = {
  ...{
    modelId: 'scripted',
    inputTokens: 900,
    outputTokens: 20,
    cacheReadTokens: 700,
    cacheWriteTokens: 3,
    costMicroUsd: 5,
  },
};

const wrongDose = says('He takes metformin 850 mg twice daily.', [1, 'He takes metformin 500 mg twice daily.']);

async function answerOf(events: readonly ModelEvent[], policy: CitationPolicy = 'drop') {
  const harness = createHarness(scriptedModel([...events, answered]));
  harness.scene.settings = { ...settings, citationPolicy: policy };
  const sent = await collect(harness.client.answer({ question }, as()));
  return {
    ...harness,
    sent,
    deltas: sent.flatMap((event) => (event.case === 'delta' ? [event.value] : [])),
    citations: sent.flatMap((event) => (event.case === 'citation' ? [event.value] : [])),
    usage: sent.find((event) => event.case === 'usage')?.value,
    done: sent.find((event) => event.case === 'done')?.value,
  };
}

describe('Answer: what leaves is checked', () => {
  for (const [what, statement, problem] of [
    ['a changed number', wrongDose, StatementProblem.NUMBER_NOT_IN_SOURCE],
    [
      'a flipped negation',
      says('Warfarin was not stopped because of bleeding.', [1, quote]),
      StatementProblem.NEGATION_DIFFERS,
    ],
    [
      'an invented quote',
      says('Warfarin was stopped.', [1, 'Warfarin was stopped on the advice of a cardiologist.']),
      StatementProblem.QUOTE_NOT_FOUND,
    ],
    ['the wrong source', says(quote, [2, quote]), StatementProblem.WRONG_SOURCE],
    ['the wrong page', says(quote, { sourceNumber: 1, quote, page: 5 }), StatementProblem.WRONG_PAGE],
    ['no quote', says(quote), StatementProblem.NO_QUOTE],
    [
      'something that is not said',
      says('The weather was fine on the ward in Lisbon.', [1, quote]),
      StatementProblem.NOT_BORNE_OUT,
    ],
  ] as const) {
    it(`catches ${what}: marked, left out or refused as the tenant has it`, async () => {
      const marked = await answerOf([says(quote, [1, quote]), statement], 'mark');
      expect(marked.deltas[1]).to.deep.include({ support: StatementSupport.UNSUPPORTED, problems: [problem] });
      expect(marked.done).to.deep.include({
        outcome: AnswerOutcome.ANSWERED,
        grounding: 0.5,
        statements: 2,
        supported: 1,
      });
      const dropped = await answerOf([says(quote, [1, quote]), statement], 'drop');
      expect(dropped.deltas.map(({ text }) => text)).to.deep.equal([quote]);
      expect(dropped.done).to.deep.include({ outcome: AnswerOutcome.ANSWERED, withheld: 1 });
      const refused = await answerOf([says(quote, [1, quote]), statement], 'refuse');
      expect(refused.deltas.map(({ text, support }) => [text, support])).to.deep.equal([
        [unsupported, StatementSupport.NOTICE],
      ]);
      expect(refused.citations).to.deep.equal([]);
      expect(refused.done).to.deep.include({ outcome: AnswerOutcome.UNSUPPORTED, withheld: 2 });
    });
  }

  it("cites the source's own words and place for a quote that is nearly right", async () => {
    const { citations, deltas } = await answerOf([says(quote, [1, 'Warfarin was stoped because of bleding'])]);
    expect(deltas[0]).to.deep.include({ support: StatementSupport.SUPPORTED, answerStart: 0, answerEnd: quote.length });
    expect(citations[0]).to.deep.include({ quote: quote.slice(0, -1), match: QuoteMatch.FUZZY });
    expect(citations[0]?.similarity).to.be.within(0.85, 0.99);
    expect(citations[0]?.span).to.deep.include({ pageStart: 4, charStart: 1_000 });
  });

  it('withholds what may do harm, and tells and counts only its class', async () => {
    const harmful = says(`${quote} See www.evil.example for more.`, [1, quote]);
    const { sent, done, logs } = await answerOf([says(quote, [1, quote]), harmful], 'mark');
    expect(
      JSON.stringify(sent, (_key, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)),
    ).not.to.contain('evil');
    expect(done).to.deep.include({ guardFindings: [GuardFinding.FOREIGN_ADDRESS], withheld: 1 });
    expect(logs.join('')).not.to.contain('evil');
  });

  it('keeps what was sent when the model fails in the middle', async () => {
    const harness = createHarness(scriptedModel([says(quote, [1, quote])]));
    const seen: (string | undefined)[] = [];
    const reading = (async () => {
      for await (const { event } of harness.client.answer({ question }, as())) seen.push(event.case);
    })();
    expect(await reasonOf(reading)).to.equal('MODEL_UNAVAILABLE');
    expect(seen).to.deep.equal(['sources', 'delta', 'citation']);
  });
});

describe('Answer: models, budgets and usage', () => {
  it('answers with the model that is asked for, or the one of the settings', async () => {
    const { client, scene } = createHarness(scriptedModel([says(quote, [1, quote]), answered]));
    for (const model of ['', 'quality', 'fast', 'scripted']) {
      const events = await collect(client.answer({ question, model }, as()));
      expect(events.at(-1)?.value).to.deep.include({ modelId: 'scripted', promptVersion: 'scripted-1' });
    }
    expect(await reasonOf(collect(client.answer({ question, model: 'other' }, as())))).to.equal('MODEL_NOT_ALLOWED');
    scene.settings = { ...settings, model: 'gone' };
    expect(await reasonOf(collect(client.answer({ question }, as())))).to.equal('MODEL_NOT_ALLOWED');
  });

  it('asks nothing and nobody when the budget is used up', async () => {
    const { client, scene, asked } = createHarness();
    scene.budgetUsedUp = true;
    expect(await reasonOf(collect(client.answer({ question }, as())))).to.equal('BUDGET_EXCEEDED');
    expect(asked).to.deep.equal([]);
  });

  it('tells what was used in all, and counts every call', async () => {
    const spent: ModelEvent = { kind: 'usage', usage };
    const { usage: told, counted } = await answerOf([spent, says(quote, [1, quote]), spent]);
    const twice = {
      inputTokens: 1_800,
      outputTokens: 40,
      cacheReadTokens: 1_400,
      cacheWriteTokens: 6,
      costMicroUsd: 10,
    };
    expect(told).to.deep.include({
      ...{ modelId: 'scripted', inputTokens: 1_800n, outputTokens: 40n },
      ...{ cacheReadTokens: 1_400n, cacheWriteTokens: 6n, costMicroUsd: 10n },
    });
    // One answer of the model, whatever number of calls it took.
    expect(counted).to.deep.equal([{ modelId: 'scripted', ...twice }]);
  });

  it('counts what a model used that failed', async () => {
    const harness = createHarness(scriptedModel([{ kind: 'usage', usage }]));
    expect(await reasonOf(collect(harness.client.answer({ question }, as())))).to.equal('MODEL_UNAVAILABLE');
    expect(harness.counted).to.deep.equal([usage]);
  });

  it('looks only where the filters let it', async () => {
    const { client, asked } = createHarness();
    await collect(client.answer({ question, filters: [{ field: 'label', value: 'letter' }] }, as()));
    expect(asked[0]?.filters[0]).to.deep.include({ field: 'label', value: 'letter' });
  });
});

describe('Answer: conversations', () => {
  const history: ConversationTurn[] = [{ question, answer: quote }];
  const kept: NewTurn[] = [];
  const withConversation = (turns: readonly ConversationTurn[]) => {
    const rewrites: string[] = [];
    const model = scriptedModel([says(quote, [1, quote]), answered], {
      rewrite: ({ question: asked, history: before, spent }) => {
        rewrites.push(asked);
        spent(usage);
        return Promise.resolve(`${before[0]?.question ?? ''} ${asked}`);
      },
    });
    const harness = createHarness(model);
    kept.length = 0;
    harness.scene.conversations = {
      ...harness.scene.conversations,
      open: (_call, id) =>
        Promise.resolve({
          ...{ id, history: turns },
          keep: (turn) => Promise.resolve(turns.length + kept.push(turn)),
        }),
    };
    return { ...harness, rewrites };
  };

  it('searches with a question that stands alone, and keeps the one that was asked with its answer', async () => {
    const { client, asked, rewrites, counted } = withConversation(history);
    const events = await collect(client.answer({ question: 'And when?', conversationId }, as()));
    expect(rewrites).to.deep.equal(['And when?']);
    expect(asked[0]?.query).to.equal(`${question} And when?`);
    const [turn] = kept;
    expect(turn).to.include({
      ...{ question: 'And when?', standaloneQuestion: `${question} And when?`, answer: quote },
      ...{ modelId: 'scripted', outcome: AnswerOutcome.ANSWERED },
    });
    expect(turn?.citations).to.have.length(1);
    expect(turn?.citations[0]).to.include({ quote, sourceNumber: 1 });
    expect(events.at(-1)?.value).to.deep.include({ conversationId, turn: 2 });
    expect(counted).to.deep.equal([usage]);
  });

  it('rewrites no first question, and keeps nothing of one that stands alone', async () => {
    const { client, rewrites } = withConversation([]);
    const first = await collect(client.answer({ question, conversationId }, as()));
    expect(first.at(-1)?.value).to.deep.include({ conversationId, turn: 1 });
    const alone = await collect(client.answer({ question }, as()));
    expect(alone.at(-1)?.value).to.deep.include({ conversationId: '', turn: 0 });
    expect([rewrites.length, kept.length]).to.deep.equal([0, 1]);
  });

  it('asks nobody about a conversation that there is not', async () => {
    const { client, asked } = createHarness();
    expect(await reasonOf(collect(client.answer({ question, conversationId }, as())))).to.equal(
      'CONVERSATION_NOT_FOUND',
    );
    expect(asked).to.deep.equal([]);
  });

  it('refuses an id that is none', async () => {
    const { client } = createHarness();
    const asked = collect(client.answer({ question, conversationId: 'x' }, as()));
    expect(await reasonOf(asked)).to.equal('INVALID_ARGUMENT');
  });
});
