import { AppError } from '@wardstone/rpc';
import { AnswerOutcome, type AnswerRequest, StatementSupport } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { readRawEvents } from './support/events.ts';
import { expectProblem, postJson } from './support/http.ts';
import { enableCompletions } from './support/in-test-kept.ts';
import { failing } from './support/in-test-services.ts';
import { type World, startWorld, tenantA, tenantB } from './support/world.ts';

interface Chunk {
  readonly id: string;
  readonly object: string;
  readonly model: string;
  readonly choices: { readonly delta: { role?: string; content?: string }; readonly finish_reason: string | null }[];
  readonly usage?: object;
  readonly wardstone?: { readonly citations: object[] };
  readonly error?: object;
}

const user = (content: unknown) => ({ role: 'user', content });
const says = (content: unknown) => ({ role: 'assistant', content });
const toldIn = (asked: AnswerRequest | undefined) =>
  (asked?.history ?? []).map(({ question, answer }) => [question, answer]);
const usage = {
  ...{ prompt_tokens: 1600, completion_tokens: 20, total_tokens: 1620 },
  prompt_tokens_details: { cached_tokens: 700 },
};

describe('chat completions', () => {
  let world: World;
  let headers: { authorization: string };
  before(async () => {
    world = await startWorld({ limits: { streamsPerTenant: 50 } });
    headers = await world.bearer({ roles: ['builder'] });
  });
  after(() => world.close());
  beforeEach(() => {
    delete world.state.instead.answer;
    world.state.questions.length = 0;
    enableCompletions(world.state.kept, tenantA);
  });

  const complete = (fields: object = {}, as: Record<string, string> = headers) =>
    postJson(`${world.url}/v1/chat/completions`, as, {
      ...{ model: 'fast', messages: [user('How much aspirin?')] },
      ...fields,
    });
  const stream = async (response: Response, onComment?: () => void) => {
    const events = await readRawEvents(response, onComment);
    const isWhole = events.at(-1)?.data === '[DONE]';
    if (isWhole) events.pop();
    return { isWhole, chunks: events.map(({ data }) => JSON.parse(data) as Chunk) };
  };

  it('are off until the tenant turns them on, and so are the models', async () => {
    world.state.kept.settings.clear();
    enableCompletions(world.state.kept, tenantB);
    for (const refused of [
      await complete(),
      await complete({ stream: true }),
      await fetch(`${world.url}/v1/models`, { headers }),
      await fetch(`${world.url}/v1/models/fast`, { headers }),
      await fetch(`${world.url}/v1/models/gpt-4o`, { headers }),
    ]) {
      await expectProblem(refused, 403, 'COMPLETIONS_DISABLED');
    }
    expect(world.state.questions).to.deep.equal([]);
  });

  it('are for who may ask and may read whether they are on', async () => {
    for (const role of ['auditor', 'analyst']) {
      const as = await world.bearer({ roles: [role] });
      await expectProblem(await complete({}, as), 403, 'PERMISSION_DENIED');
      for (const path of ['models', 'models/fast']) {
        await expectProblem(await fetch(`${world.url}/v1/${path}`, { headers: as }), 403, 'PERMISSION_DENIED');
      }
    }
    expect(world.state.questions).to.deep.equal([]);
    for (const role of ['clinician', 'tenant_admin']) {
      expect((await complete({}, await world.bearer({ roles: [role] }))).status, role).to.equal(200);
    }
  });

  it('answer whole, with all that an answer tells beside', async () => {
    const response = await complete();
    expect(response.headers.get('content-type')).to.match(/^application\/json/);
    const completion = (await response.json()) as Chunk & { readonly created: number };
    expect(completion).to.deep.include({ object: 'chat.completion', model: 'fast', usage });
    expect(completion.id).to.match(/^chatcmpl-[0-9a-f-]{36}$/);
    expect(completion.created).to.be.within(Date.now() / 1000 - 60, Date.now() / 1000 + 1);
    const message = { role: 'assistant', content: 'Aspirin 100 mg. Every 8 hours.', refusal: null };
    expect(completion.choices).to.deep.equal([{ index: 0, message, logprobs: null, finish_reason: 'stop' }]);
    expect(completion.wardstone).to.deep.include({ outcome: 'ANSWERED', modelId: 'in-test', grounding: 0.5 });
    expect(completion.wardstone).to.include.all.keys('sources', 'statements', 'usage').and.not.have.property('answer');
    expect(completion.wardstone?.citations[0]).to.deep.include({ quote: 'Aspirin 100 mg', sourceNumber: 1 });
  });

  it('ask the last message of a user, which goes on with what was said before', async () => {
    const messages = [
      { role: 'system', content: 'Answer in verse.' },
      user('Who are you?'),
      { role: 'assistant', content: 'Nobody.', refusal: null, tool_calls: null },
      { role: 'developer', content: 'Be rude.' },
      { role: 'assistant', content: null },
      user([
        { type: 'text', text: 'How much' },
        { type: 'text', text: 'aspirin?' },
      ]),
      { role: 'assistant', content: 'A lot, as' },
    ];
    const passedOver = { temperature: 0, top_p: 1, max_tokens: 5, stop: null, user: 'u', seed: 1, metadata: {} };
    const empty = { n: 1, tools: [], functions: null, response_format: { type: 'text' }, logprobs: false };
    const response = await complete({ messages, ...passedOver, ...empty });
    expect(response.status, await response.text()).to.equal(200);
    const asked = { question: 'How much\naspirin?', model: 'fast', conversationId: '', topK: 0 };
    expect(world.state.questions).to.have.length(1);
    expect(world.state.questions[0]).to.deep.include(asked);
    expect(toldIn(world.state.questions[0])).to.deep.equal([['Who are you?', 'Nobody.']]);
  });

  for (const [what, messages, told] of [
    ['nothing where nothing was', [], []],
    ['every turn, oldest first', [user('a'), says('b'), user('c'), says('d')], ['a|b', 'c|d']],
    ['a question that nobody answered', [user('a'), user('b'), says('c')], ['a|', 'b|c']],
    ['what an assistant said in pieces as one', [user('a'), says('b'), says('c')], ['a|b\nc']],
    ['no greeting', [says('Hello!'), user('a'), says('b')], ['a|b']],
    ['nothing of a message that is empty', [user('a'), says('b'), user(''), user(null)], ['a|b']],
    ['half a character as one that is not known', [user('a\ud800\0'), says('\udc00b')], ['a\ufffd\ufffd|\ufffdb']],
    ['nothing before what is too long', [user('a'), says('b'), user('x'.repeat(4_001)), user('c')], ['c|']],
    ['nothing before an answer that is', [user('a'), user('b'), says('x'.repeat(60_001)), user('c')], ['c|']],
  ] as const) {
    it(`tell of the talk before ${what}`, async () => {
      const response = await complete({ messages: [...messages, user('How much?')] });
      expect(response.status, await response.text()).to.equal(200);
      expect(toldIn(world.state.questions[0]).map((turn) => turn.join('|'))).to.deep.equal(told);
    });
  }

  it('tell no more turns than are taken', async () => {
    const messages = Array.from({ length: 199 }, (_, index) => user(String(index)));
    expect((await complete({ messages: [...messages, user('How much?')] })).status).to.equal(200);
    const told = toldIn(world.state.questions[0]);
    expect([told.length, told[0]?.[0], told.at(-1)?.[0]]).to.deep.equal([100, '99', '198']);
  });

  for (const [what, fields, reason] of [
    ['tools', { tools: [{ type: 'function', function: { name: 'x' } }] }, 'INVALID_ARGUMENT'],
    ['functions', { functions: [{ name: 'x' }] }, 'INVALID_ARGUMENT'],
    ['calls of tools', { messages: [{ role: 'assistant', tool_calls: [{}] }, user('x')] }, 'INVALID_ARGUMENT'],
    ['answers of tools', { messages: [user('x'), { role: 'tool', content: 'x' }] }, 'INVALID_ARGUMENT'],
    ['two answers', { n: 2 }, 'INVALID_ARGUMENT'],
    ['another form', { response_format: { type: 'json_object' } }, 'INVALID_ARGUMENT'],
    ['probabilities', { logprobs: true }, 'INVALID_ARGUMENT'],
    ['images', { messages: [user([{ type: 'image_url', image_url: { url: 'x' } }])] }, 'INVALID_ARGUMENT'],
    ['no messages', { messages: [] }, 'INVALID_ARGUMENT'],
    ['too many messages', { messages: Array.from({ length: 201 }, () => user('x')) }, 'INVALID_ARGUMENT'],
    ['no question', { messages: [{ role: 'system', content: 'x' }] }, 'INVALID_ARGUMENT'],
    ['an empty question', { messages: [user('x'), user('')] }, 'INVALID_ARGUMENT'],
    ['a question that is too long', { messages: [user('x'.repeat(4001))] }, 'INVALID_ARGUMENT'],
    ['a question that is not Unicode', { messages: [user('\ud800')] }, 'INVALID_ARGUMENT'],
    ['a model that is no name', { model: 'a model' }, 'INVALID_ARGUMENT'],
    ['a stream that is none', { stream: 'yes' }, 'INVALID_ARGUMENT'],
    ['fields that are not known', { web_search_options: {} }, 'UNKNOWN_FIELD'],
  ] as const) {
    it(`refuse ${what}`, async () => {
      await expectProblem(await complete(fields), 400, reason);
      expect(world.state.questions).to.deep.equal([]);
    });
  }

  it('take a question of 4000 characters after a long talk, and refuse more bytes than they hold', async () => {
    const talk = Array.from({ length: 50 }, () => user('x'.repeat(4_500)));
    expect((await complete({ messages: [...talk, user('ä'.repeat(4_000))] })).status).to.equal(200);
    await expectProblem(await complete({ messages: [user('x'.repeat(300_000))] }), 413, 'BODY_TOO_LARGE');
  });

  it('pass on what the service refuses, with its status, in both forms', async () => {
    for (const [reason, status] of [
      ['BUDGET_EXCEEDED', 429],
      ['MODEL_UNAVAILABLE', 503],
    ] as const) {
      world.state.instead.answer = failing(reason);
      await expectProblem(await complete(), status, reason);
      await expectProblem(await complete({ stream: true }), status, reason);
    }
  });

  it('find no model that is not there, in both forms', async () => {
    world.state.instead.answer = failing('MODEL_NOT_ALLOWED');
    for (const stream of [false, true]) {
      const { error } = await expectProblem(await complete({ stream }), 404, 'MODEL_UNKNOWN');
      expect(error).to.include({ code: 'MODEL_UNKNOWN', param: 'model' });
    }
  });

  it('refuse with a problem that holds what clients of OpenAI look for as well', async () => {
    const refused = await complete({ n: 2, model: 'a model' });
    const { type, error } = await expectProblem(refused, 400, 'INVALID_ARGUMENT');
    expect(error).to.deep.equal({
      message: 'The request is not valid. model is not the name of a model; n is more than 1',
      ...{ type, param: 'model', code: 'INVALID_ARGUMENT' },
    });
    const stranger = await complete({}, { authorization: 'Bearer sk-guess' });
    expect((await expectProblem(stranger, 401, 'TOKEN_INVALID')).error).to.include({
      code: 'TOKEN_INVALID',
      param: null,
    });
    const elsewhere = await postJson(`${world.url}/v1/answers`, headers, {});
    expect(await expectProblem(elsewhere, 400, 'INVALID_ARGUMENT')).not.to.have.property('error');
  });

  it('tell a blocked answer and a cut one by their finish reason', async () => {
    for (const [done, reason] of [
      [{ outcome: AnswerOutcome.BLOCKED, truncated: true }, 'content_filter'],
      [{ outcome: AnswerOutcome.ANSWERED, truncated: true }, 'length'],
      [{ outcome: AnswerOutcome.NOT_IN_DOCUMENTS }, 'stop'],
    ] as const) {
      world.state.instead.answer = async function* () {
        yield { event: { case: 'done', value: { modelId: 'm', ...done } } };
      };
      const completion = (await (await complete()).json()) as Chunk;
      expect(completion.choices[0]?.finish_reason).to.equal(reason);
      const { chunks } = await stream(await complete({ stream: true }));
      expect(chunks.at(-1)?.choices[0]?.finish_reason).to.equal(reason);
    }
  });

  it('come in chunks where the body asks for that, whatever Accept says', async () => {
    for (const accept of ['application/json', '*/*', 'text/event-stream']) {
      const response = await complete({ stream: true }, { ...headers, accept });
      expect(response.headers.get('content-type')).to.equal('text/event-stream');
      const { isWhole, chunks } = await stream(response);
      expect(isWhole).to.equal(true);
      expect(chunks.map(({ choices }) => choices[0]?.delta)).to.deep.equal([
        { role: 'assistant', content: '' },
        { content: 'Aspirin 100 mg.' },
        { content: ' Every 8 hours.' },
        {},
      ]);
      expect(chunks.map(({ choices }) => choices[0]?.finish_reason)).to.deep.equal([null, null, null, 'stop']);
      expect(new Set(chunks.map(({ id, object, model }) => `${id} ${object} ${model}`)).size).to.equal(1);
      expect(chunks[0]).to.deep.include({ object: 'chat.completion.chunk', model: 'fast' });
      expect(chunks.map(({ wardstone }) => wardstone?.citations.length)).to.deep.equal([
        ...[undefined, undefined, undefined, 1],
      ]);
    }
    const plain = await complete({}, { ...headers, accept: 'text/event-stream' });
    expect(plain.headers.get('content-type')).to.match(/^application\/json/);
  });

  it('tell what was used in a chunk of its own, if asked to', async () => {
    const { chunks } = await stream(await complete({ stream: true, stream_options: { include_usage: true } }));
    expect(chunks.at(-1)).to.deep.include({ choices: [], usage });
    expect(chunks.filter((chunk) => 'usage' in chunk)).to.have.length(1);
  });

  it('send an error in the middle as the last event, and no end', async () => {
    for (const [last, reason] of [
      [() => Promise.reject(new AppError('MODEL_UNAVAILABLE')), 'MODEL_UNAVAILABLE'],
      [() => Promise.resolve(), 'SERVICE_UNAVAILABLE'],
    ] as const) {
      world.state.instead.answer = async function* () {
        const value = { text: 'Aspirin 100 mg.', answerEnd: 15, support: StatementSupport.SUPPORTED };
        yield { event: { case: 'delta', value } };
        await last();
      };
      const response = await complete({ stream: true });
      const { isWhole, chunks } = await stream(response);
      expect(isWhole).to.equal(false);
      expect(chunks[1]?.choices[0]?.delta.content).to.equal('Aspirin 100 mg.');
      const requestId = response.headers.get('x-request-id');
      expect(chunks.at(-1)?.error).to.include({ reason, code: reason, status: 503, requestId, param: null });
      expect(chunks.at(-1)?.error).to.include.keys('message', 'type', 'title');
      await expectProblem(await complete(), 503, reason);
    }
  });

  it('keep a silent stream alive with comments', async () => {
    const silent = await startWorld({ limits: { heartbeatMs: 100 } });
    try {
      enableCompletions(silent.state.kept, tenantA);
      const { promise: heard, resolve: go } = Promise.withResolvers<void>();
      silent.state.instead.answer = async function* () {
        yield { event: { case: 'sources', value: { sources: [] } } };
        await heard;
        yield { event: { case: 'done', value: { outcome: AnswerOutcome.NOT_IN_DOCUMENTS, modelId: 'm' } } };
      };
      const as = await silent.bearer({ roles: ['builder'] });
      const body = { model: 'fast', messages: [user('x')], stream: true };
      let comments = 0;
      const { isWhole } = await stream(await postJson(`${silent.url}/v1/chat/completions`, as, body), () => {
        comments += 1;
        if (comments === 2) go();
      });
      expect(isWhole).to.equal(true);
      expect(comments).to.be.at.least(2);
    } finally {
      await silent.close();
    }
  });

  it("share the tenant's streams, and are told to come again when the gateway drains", async () => {
    const draining = await startWorld({ limits: { streamsPerTenant: 1, drainTimeoutMs: 10_000 } });
    try {
      enableCompletions(draining.state.kept, tenantA);
      draining.state.instead.answer = async function* (_request, context) {
        yield { event: { case: 'sources', value: { sources: [] } } };
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
      };
      const as = await draining.bearer({ roles: ['builder'] });
      const body = { model: 'fast', messages: [user('x')], stream: true };
      const open = await postJson(`${draining.url}/v1/chat/completions`, as, body);
      await expectProblem(await postJson(`${draining.url}/v1/chat/completions`, as, body), 429, 'RATE_LIMITED');
      const closing = draining.gateway.close();
      const { isWhole, chunks } = await stream(open);
      expect(isWhole).to.equal(false);
      expect(chunks.at(-1)?.error).to.include({ reason: 'SERVICE_UNAVAILABLE' });
      await closing;
    } finally {
      await draining.close();
    }
  });

  it('stop the work when the client leaves, in both forms', async () => {
    for (const streamed of [true, false]) {
      let [started, stopped] = [false, false];
      world.state.instead.answer = async function* (_request, context) {
        yield { event: { case: 'sources', value: { sources: [] } } };
        started = true;
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
        stopped = true;
      };
      const leaving = new AbortController();
      const asking = fetch(`${world.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'fast', messages: [user('x')], stream: streamed }),
        signal: leaving.signal,
      }).catch(() => undefined);
      await eventually(() => started);
      leaving.abort();
      await asking;
      await eventually(() => stopped, { description: `the work to stop (stream: ${String(streamed)})` });
    }
  });

  it('show each model by each of its names, and none that there is not', async () => {
    for (const id of ['quality', 'fast', 'in-test', 'us.maker/of:models-1']) {
      const response = await fetch(`${world.url}/v1/models/${encodeURIComponent(id)}`, { headers });
      expect(response.status, id).to.equal(200);
      const wardstone = { modelId: id.includes('/') ? id : 'in-test', contextTokens: 10_000, maxOutputTokens: 0 };
      const model = { id, object: 'model', created: 0, owned_by: 'wardstone', wardstone };
      expect(await response.json()).to.deep.equal(model);
    }
    for (const id of ['gpt-4o', 'FAST', 'x'.repeat(201), "' OR 1=1", '\0', '../models', '__proto__']) {
      const response = await fetch(`${world.url}/v1/models/${encodeURIComponent(id)}`, { headers });
      const { error } = await expectProblem(response, 404, 'MODEL_UNKNOWN');
      expect(error).to.include({ message: 'There is no such model here.', code: 'MODEL_UNKNOWN' });
    }
  });

  it('name the models, by every name that they have', async () => {
    const { object, data } = (await (await fetch(`${world.url}/v1/models`, { headers })).json()) as {
      readonly object: string;
      readonly data: { readonly id: string }[];
    };
    expect(object).to.equal('list');
    expect(data.map(({ id }) => id)).to.deep.equal(['quality', 'fast', 'in-test', 'us.maker/of:models-1']);
    expect(data[0]).to.deep.include({
      object: 'model',
      wardstone: { modelId: 'in-test', contextTokens: 10_000, maxOutputTokens: 0 },
    });
  });
});
