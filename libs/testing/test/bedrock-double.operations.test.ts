import { ConverseCommand, type Message, type SystemContentBlock } from '@aws-sdk/client-bedrock-runtime';
import { expect } from 'chai';
import { guardrailIntervention, textAnswer, toolAnswer } from '../src/bedrock/index.ts';
import { eventually } from '../src/eventually.ts';
import {
  asking,
  claude,
  embed,
  failureOf,
  guarding,
  rankingOf,
  reranker,
  stream,
  textOf,
  titan,
  useDouble,
} from './bedrock-clients.ts';

function dot(a: readonly number[] = [], b: readonly number[] = []): number {
  return a.reduce((sum, component, at) => sum + component * (b[at] ?? 0), 0);
}

describe('the Bedrock double: Titan embeddings', () => {
  const suite = useDouble();

  for (const dimensions of [256, 512, 1_024]) {
    it(`are unit vectors of ${String(dimensions)} components, near when texts share words`, async () => {
      const texts = ['dressing of the left knee', 'The knee has a new dressing.', 'annual tax return'];
      const [dressing, knee, tax] = await Promise.all(texts.map((text) => embed(suite, text, { dimensions })));
      expect(dressing?.embedding).to.have.length(dimensions);
      expect(Math.hypot(...(dressing?.embedding ?? []))).to.be.closeTo(1, 1e-9);
      expect(dot(dressing?.embedding, knee?.embedding)).to.be.greaterThan(0.4);
      expect(dot(dressing?.embedding, tax?.embedding)).to.be.lessThan(0.2);
    });
  }

  it('are 1,024 components, the same for the same text, with a count of tokens', async () => {
    const [first, again] = [await embed(suite, 'left knee'), await embed(suite, 'left knee')];
    expect(first).to.deep.equal(again);
    expect(first.embedding).to.have.length(1_024);
    expect(first.embeddingsByType['float']).to.deep.equal(first.embedding);
    expect(first.inputTextTokenCount).to.equal(3);
    expect(suite.double.calls[0]).to.include({ operation: 'InvokeModel', model: titan, inputTokens: 3, status: 200 });
  });

  it('tell their tokens in a header', async () => {
    const { requestHandler } = suite.runtime.config;
    const handle = requestHandler.handle.bind(requestHandler);
    let told: string | undefined;
    requestHandler.handle = async (request, options) => {
      const answer = await handle(request, options);
      const { headers } = answer.response as { headers: Readonly<Record<string, string>> };
      told = headers['x-amzn-bedrock-input-token-count'];
      return answer;
    };
    await embed(suite, 'left knee');
    expect(told).to.equal('3');
  });

  it('are binary when that is asked for', async () => {
    const { embeddingsByType } = await embed(suite, 'left knee', { embeddingTypes: ['binary'], dimensions: 256 });
    expect(Object.keys(embeddingsByType)).to.deep.equal(['binary']);
    expect(new Set(embeddingsByType['binary'])).to.deep.equal(new Set([0, 1]));
  });

  const refused: [string, string, object][] = [
    ['no text', '', {}],
    ['too many characters', 'x'.repeat(50_001), {}],
    ['too many tokens', 'x'.repeat(8_192 * 4 + 1), {}],
    ['a size that it does not have', 'knee', { dimensions: 300 }],
    ['no Boolean', 'knee', { normalize: 'yes' }],
  ];
  for (const [title, text, more] of refused) {
    it(`refuse ${title}`, async () => {
      const failure = await failureOf(embed(suite, text, more));
      expect(failure.name).to.equal('ValidationException');
      expect(failure.$metadata?.httpStatusCode).to.equal(400);
    });
  }

  it('take the longest text there may be', async () => {
    expect((await embed(suite, 'x'.repeat(8_192 * 4))).inputTextTokenCount).to.equal(8_192);
  });
});

describe('the Bedrock double: Converse and ConverseStream', () => {
  const suite = useDouble({ modelsWithoutSampling: [claude] });

  it('stream an answer: start, a delta for each word, stop, usage', async () => {
    suite.double.onConverse(() => textAnswer('Twice a day.'));
    const events = await stream(suite, asking('How often?'));
    expect(events.map((event) => Object.keys(event)[0])).to.deep.equal([
      'messageStart',
      'contentBlockDelta',
      'contentBlockDelta',
      'contentBlockDelta',
      'contentBlockStop',
      'messageStop',
      'metadata',
    ]);
    expect(textOf(events)).to.equal('Twice a day.');
    expect(events.at(-2)?.messageStop?.stopReason).to.equal('end_turn');
    expect(events.at(-1)?.metadata?.usage).to.include({ inputTokens: 3, outputTokens: 3, totalTokens: 6 });
    expect(suite.double.calls[0]).to.include({ frames: 7, inputTokens: 3, outputTokens: 3, aborted: false });
  });

  it('give the same answer whole', async () => {
    suite.double.onConverse(() => textAnswer('Twice a day.'));
    const answer = await suite.runtime.send(new ConverseCommand(asking('How often?')));
    expect(answer.output?.message).to.deep.equal({ role: 'assistant', content: [{ text: 'Twice a day.' }] });
    expect(answer).to.deep.include({ stopReason: 'end_turn' });
    expect(answer.usage?.totalTokens).to.equal(6);
  });

  it('call a tool', async () => {
    const input = { quotes: [{ source: 1, text: 'twice "a" day' }] };
    suite.double.onConverse(() => toolAnswer('answer', input));
    const events = await stream(suite, asking('How often?'));
    const json = events.map((event) => event.contentBlockDelta?.delta?.toolUse?.input ?? '').join('');
    expect(JSON.parse(json)).to.deep.equal(input);
    expect(events.find(({ messageStop }) => messageStop)?.messageStop?.stopReason).to.equal('tool_use');
    const whole = await suite.runtime.send(new ConverseCommand(asking('How often?')));
    expect(whole.output?.message?.content?.[0]?.toolUse).to.deep.include({ name: 'answer', input });
  });

  it('answer by model, from what is asked', async () => {
    suite.double.onConverse(({ body }) => textAnswer(`all: ${JSON.stringify(body['messages'])}`));
    suite.double.onConverse(() => textAnswer('this one'), claude);
    expect(textOf(await stream(suite, asking('x')))).to.equal('this one');
    expect(textOf(await stream(suite, asking('x', { modelId: 'another' })))).to.contain('all: [{"role":"user"');
    expect(suite.double.calls.map(({ model }) => model)).to.deep.equal([claude, 'another']);
  });

  it('answer with sentences of the prompt unless told, and with no more tokens than asked for', async () => {
    const source = 'The knee was dressed. The dressing is changed twice a day. It rained.';
    const messages: Message[] = [
      { role: 'user', content: [{ text: source }, { text: 'When is the dressing changed?' }] },
    ];
    const events = await stream(suite, asking('', { messages }));
    expect(textOf(events)).to.contain('The dressing is changed twice a day.').and.not.contain('rained');
    const short = await stream(suite, asking('', { messages, inferenceConfig: { maxTokens: 2 } }));
    expect(textOf(short)).to.have.length(8);
    expect(short.find(({ messageStop }) => messageStop)?.messageStop?.stopReason).to.equal('max_tokens');
  });

  it('count what is before a cache point as written, then as read', async () => {
    const system: SystemContentBlock[] = [{ text: 'x'.repeat(4_000) }, { cachePoint: { type: 'default' } }];
    const usages = [];
    for (const question of ['one?', 'two?']) {
      const events = await stream(suite, asking(question, { system }));
      usages.push(events.at(-1)?.metadata?.usage);
    }
    expect(usages[0]).to.include({ inputTokens: 1, cacheWriteInputTokens: 1_000, cacheReadInputTokens: 0 });
    expect(usages[1]).to.include({ inputTokens: 1, cacheWriteInputTokens: 0, cacheReadInputTokens: 1_000 });
  });

  it('tell usage, stop reason and trace as a script has them', async () => {
    const usage = { inputTokens: 11, outputTokens: 7, totalTokens: 18 };
    const trace = { guardrail: { actionReason: 'Guardrail blocked.' } };
    suite.double.onConverse(() => textAnswer('No.', { stopReason: 'guardrail_intervened', usage, trace }));
    const events = await stream(suite, asking('x'));
    expect(events.at(-1)?.metadata).to.deep.include({ usage, trace });
    expect(events.at(-2)?.messageStop?.stopReason).to.equal('guardrail_intervened');
    expect(suite.double.calls[0]).to.include({ inputTokens: 11, outputTokens: 7 });
  });

  const refused: [string, Parameters<typeof asking>[1]][] = [
    ['no messages', { messages: [] }],
    ['an assistant that begins', { messages: [{ role: 'assistant', content: [{ text: 'x' }] }] }],
    ['a message without content', { messages: [{ role: 'user', content: [] }] }],
    ['a blank text', { messages: [{ role: 'user', content: [{ text: '' }] }] }],
    ['no tokens to answer with', { inferenceConfig: { maxTokens: 0 } }],
    ['a temperature, by a model that takes none', { inferenceConfig: { temperature: 0 } }],
  ];
  for (const [title, more] of refused) {
    it(`refuse ${title}`, async () => {
      expect((await failureOf(stream(suite, asking('x', more)))).name).to.equal('ValidationException');
    });
  }

  it('see the client leave in the middle, and tell the script', async () => {
    let told = false;
    suite.double.onConverse(async function* ({ signal }) {
      signal.addEventListener('abort', () => (told = true));
      yield* textAnswer('Twice').slice(0, 2);
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
      yield* textAnswer('Twice').slice(2);
    });
    const abort = new AbortController();
    const left = stream(suite, asking('x'), {
      signal: abort.signal,
      look: (event) => {
        if (event.contentBlockDelta !== undefined) abort.abort();
      },
    });
    expect(textOf(await left)).to.equal('Twice');
    await eventually(() => suite.double.concurrent() === 0, { description: 'the double has seen it leave' });
    expect(told).to.equal(true);
    expect(suite.double.calls[0]).to.include({ aborted: true, status: 200 });
  });
});

describe('the Bedrock double: Rerank and ApplyGuardrail', () => {
  const suite = useDouble();
  const texts = ['annual tax return', 'a dressing', 'the dressing of the knee'];

  it('ranks by shared words, best first, as many as asked for', async () => {
    const { results } = await suite.agents.send(rankingOf('dressing knee', texts, 2));
    expect(results).to.deep.equal([
      { index: 2, relevanceScore: 1 },
      { index: 1, relevanceScore: 0.5 },
    ]);
    expect(suite.double.calls[0]).to.include({ operation: 'Rerank', model: reranker });
  });

  it('ranks as a script has it', async () => {
    suite.double.onRerank(() => ({ results: [{ index: 0, relevanceScore: 0.9 }] }), reranker);
    expect((await suite.agents.send(rankingOf('knee', texts))).results?.[0]?.index).to.equal(0);
  });

  for (const [title, query, sources, results] of [
    ['no sources', 'knee', [], 1],
    ['more results than sources', 'knee', ['a'], 2],
    ['no query', '', ['a'], 1],
  ] as const) {
    it(`refuses to rank ${title}`, async () => {
      const failure = await failureOf(suite.agents.send(rankingOf(query, sources, results)));
      expect(failure.name).to.equal('ValidationException');
    });
  }

  it('guards: nothing is found unless a script finds it', async () => {
    expect((await suite.runtime.send(guarding('my SSN'))).action).to.equal('NONE');
    suite.double.onGuardrail(() => guardrailIntervention('Blocked.'), 'gr1/7');
    const blocked = await suite.runtime.send(guarding('my SSN'));
    expect(blocked).to.deep.include({ action: 'GUARDRAIL_INTERVENED', outputs: [{ text: 'Blocked.' }] });
    expect(suite.double.calls.map(({ model }) => model)).to.deep.equal(['gr1/7', 'gr1/7']);
  });
});
