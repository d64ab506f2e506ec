import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { AnswerOutcome, GuardFinding, StatementSupport } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { eventually } from '@wardstone/testing';
import { expectProblem, postJson } from './support/http.ts';
import { failing } from './support/in-test-services.ts';
import { readEvents } from './support/events.ts';
import { type World, startWorld } from './support/world.ts';

describe('answers and search', () => {
  let world: World;
  let headers: { authorization: string };
  before(async () => {
    world = await startWorld({ limits: { heartbeatMs: 100, streamsPerTenant: 2 } });
    headers = await world.bearer();
  });
  after(() => world.close());
  beforeEach(() => {
    delete world.state.instead.answer;
    world.state.searches.length = 0;
  });

  const ask = (accept: string, signal?: AbortSignal) =>
    fetch(`${world.url}/v1/answers`, {
      method: 'POST',
      headers: { ...headers, accept, 'content-type': 'application/json' },
      body: JSON.stringify({ question: 'How much aspirin?' }),
      ...(signal === undefined ? {} : { signal }),
    });

  it('searches', async () => {
    const documentIds = ['01970000-0000-7000-8000-000000000001'];
    const response = await postJson(`${world.url}/v1/search`, headers, {
      query: 'Dosis für Müller?',
      topK: 3,
      documentIds,
      filters: [{ field: 'metadata.ward', value: '4 West' }],
    });
    expect(response.status).to.equal(200);
    const { hits, unreadableChunks } = (await response.json()) as { hits: object[]; unreadableChunks: number };
    expect(unreadableChunks).to.equal(0);
    expect(hits[0]).to.deep.include({
      text: 'Aspirin 100 mg',
      span: { pageStart: 1, pageEnd: 2, charStart: 10, charEnd: 24 },
    });
    expect(hits[0]).to.deep.include({
      ...{ score: 0.5, keywordScore: 3.25, fusedScore: 0.0328 },
      ...{ labels: ['letter'], metadata: { ward: '4 West' }, pageBreaks: [{ page: 1, chunkOffset: 0 }] },
    });
    expect(hits[0]).not.to.have.property('$typeName');
    expect(world.state.searches[0]).to.deep.include({ query: 'Dosis für Müller?', topK: 3, documentIds });
    expect(world.state.searches[0]?.filters.map(({ field, value }) => [field, value])).to.deep.equal([
      ['metadata.ward', '4 West'],
    ]);
  });

  for (const filters of [
    [{ field: 'title', value: 'x' }],
    [{ field: 'metadata.', value: 'x' }],
    [{ field: 'metadata.Ward', value: 'x' }],
    [{ field: 'label', value: '' }],
    [{ field: 'label', value: 'x'.repeat(201) }],
    Array.from({ length: 21 }, () => ({ field: 'label', value: 'x' })),
  ]) {
    it(`refuses the filters ${JSON.stringify(filters).slice(0, 40)}`, async () => {
      const response = await postJson(`${world.url}/v1/search`, headers, { query: 'x', filters });
      expect(response.status).to.equal(400);
    });
  }

  it('answers whole, as JSON', async () => {
    const response = await ask('application/json');
    expect(response.headers.get('content-type')).to.match(/^application\/json/);
    const answer = (await response.json()) as { answer: string; sources: object[]; citations: object[] };
    expect(answer.sources).to.have.length(1);
    expect(answer.citations[0]).to.deep.include({
      ...{ sourceNumber: 1, quote: 'Aspirin 100 mg', answerStart: 0, answerEnd: 15, match: 'EXACT', similarity: 1 },
    });
    const { sources: _sources, citations: _citations, ...told } = answer;
    expect(told).to.deep.equal({
      answer: 'Aspirin 100 mg. Every 8 hours.',
      outcome: 'ANSWERED',
      modelId: 'in-test',
      grounding: 0.5,
      checked: { statements: 2, supported: 1, withheld: 0 },
      guardFindings: [],
      promptVersion: 'answer-1',
      truncated: false,
      statements: [
        { text: 'Aspirin 100 mg.', answerStart: 0, answerEnd: 15, support: 'SUPPORTED', problems: [] },
        {
          ...{ text: 'Every 8 hours.', answerStart: 16, answerEnd: 30 },
          ...{ support: 'UNSUPPORTED', problems: ['NUMBER_NOT_IN_SOURCE'] },
        },
      ],
      usage: {
        ...{ modelId: 'in-test', inputTokens: 900, outputTokens: 20 },
        ...{ cacheReadTokens: 700, cacheWriteTokens: 0, costMicroUsd: 3_000 },
      },
    });
  });

  it('says in words of its own why there is no answer, and calls that no statement', async () => {
    world.state.instead.answer = async function* () {
      yield { event: { case: 'sources', value: { sources: [] } } };
      const value = { text: 'The documents do not answer this question.', answerEnd: 42 };
      yield { event: { case: 'delta', value: { ...value, support: StatementSupport.NOTICE } } };
      const findings = [GuardFinding.FOREIGN_ADDRESS];
      const done = {
        outcome: AnswerOutcome.BLOCKED,
        modelId: 'm',
        guardFindings: findings,
        statements: 1,
        withheld: 1,
      };
      yield { event: { case: 'done', value: done } };
    };
    const answer = (await (await ask('application/json')).json()) as object;
    expect(answer).to.deep.include({
      ...{ answer: 'The documents do not answer this question.', statements: [], outcome: 'BLOCKED' },
      ...{ guardFindings: ['FOREIGN_ADDRESS'], checked: { statements: 1, supported: 0, withheld: 1 } },
    });
    const events = await readEvents(await ask('text/event-stream'));
    expect(events[1]?.data).to.include({ support: 'NOTICE' });
  });

  it('passes on what is asked', async () => {
    const request = {
      question: 'How much aspirin?',
      topK: 3,
      documentIds: ['01970000-0000-7000-8000-000000000001'],
      filters: [{ field: 'label', value: 'letter' }],
      model: 'fast',
      conversationId: '01970000-0000-7000-8000-000000000009',
    };
    expect((await postJson(`${world.url}/v1/answers`, headers, request)).status).to.equal(200);
    const { filters, ...asked } = request;
    expect(world.state.questions.at(-1)).to.deep.include(asked);
    expect(world.state.questions.at(-1)?.filters[0]).to.deep.include(filters[0]);
  });

  for (const [what, wrong] of [
    ['a model that is no name', { model: 'a model' }],
    ['a conversation that is no id', { conversationId: 'x' }],
    ['a filter that is none', { filters: [{ field: 'title', value: 'x' }] }],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const response = await postJson(`${world.url}/v1/answers`, headers, { question: 'x', ...wrong });
      await expectProblem(response, 400, 'INVALID_ARGUMENT');
    });
  }

  for (const [reason, status] of [
    ['MODEL_NOT_ALLOWED', 400],
    ['CONVERSATION_NOT_FOUND', 404],
    ['BUDGET_EXCEEDED', 429],
  ] as const) {
    it(`answers ${String(status)} for ${reason}`, async () => {
      world.state.instead.answer = failing(reason);
      await expectProblem(await ask('application/json'), status, reason);
    });
  }

  it('answers as it goes, as named events', async () => {
    const response = await ask('text/event-stream');
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.equal('text/event-stream');
    expect(response.headers.get('cache-control')).to.equal('no-store');
    const events = await readEvents(response);
    expect(events.map(({ event }) => event)).to.deep.equal([
      ...['sources', 'delta', 'citation', 'delta', 'usage', 'done'],
    ]);
    const deltas = events.filter(({ event }) => event === 'delta').map(({ data }) => data as { text: string });
    expect(deltas.map(({ text }) => text).join('')).to.equal('Aspirin 100 mg. Every 8 hours.');
    expect(deltas[1]).to.deep.include({ support: 'UNSUPPORTED', problems: ['NUMBER_NOT_IN_SOURCE'] });
    expect(events.at(-2)?.data).to.include({ modelId: 'in-test', inputTokens: 900, costMicroUsd: 3_000 });
    expect(events.at(-1)?.data).to.deep.include({
      ...{ outcome: 'ANSWERED', modelId: 'in-test', grounding: 0.5, promptVersion: 'answer-1', truncated: false },
    });
    expect(events.at(-1)?.data).not.to.have.property('conversationId');
  });

  it('keeps a silent stream alive with comments', async () => {
    const { promise: asked, resolve: go } = Promise.withResolvers<void>();
    world.state.instead.answer = async function* () {
      yield { event: { case: 'sources', value: { sources: [] } } };
      await asked;
      yield { event: { case: 'done', value: { outcome: 2, modelId: 'm' } } };
    };
    const response = await ask('text/event-stream');
    let comments = 0;
    const events = await readEvents(response, () => {
      comments += 1;
      if (comments === 2) go();
    });
    expect(comments).to.be.at.least(2);
    expect(events.at(-1)?.event).to.equal('done');
    expect(events.at(-1)?.data).to.include({ outcome: 'NOT_IN_DOCUMENTS', modelId: 'm' });
  });

  it('answers with the right status when the service fails before the first event', async () => {
    world.state.instead.answer = failing('MODEL_UNAVAILABLE');
    for (const accept of ['text/event-stream', 'application/json']) {
      const response = await ask(accept);
      await expectProblem(response, 503, 'MODEL_UNAVAILABLE');
      expect(response.headers.get('retry-after')).to.equal('2');
    }
  });

  it('sends an error in the middle as an event with the problem, and keeps what was sent', async () => {
    world.state.instead.answer = async function* () {
      yield { event: { case: 'sources', value: { sources: [] } } };
      const value = { text: 'Aspirin 100 mg.', answerEnd: 15, support: StatementSupport.SUPPORTED };
      yield { event: { case: 'delta', value } };
      throw new AppError('MODEL_UNAVAILABLE');
    };
    const response = await ask('text/event-stream');
    const events = await readEvents(response);
    expect(events.map(({ event }) => event)).to.deep.equal(['sources', 'delta', 'error']);
    expect(events[1]?.data).to.include({ text: 'Aspirin 100 mg.' });
    expect(events[2]?.data).to.include({
      reason: 'MODEL_UNAVAILABLE',
      status: 503,
      requestId: response.headers.get('x-request-id'),
    });
    await expectProblem(await ask('application/json'), 503, 'MODEL_UNAVAILABLE');
  });

  it('takes an answer without its last event for a failed one', async () => {
    world.state.instead.answer = async function* () {
      yield { event: { case: 'delta', value: { text: 'Half an ans' } } };
    };
    const events = await readEvents(await ask('text/event-stream'));
    expect(events.at(-1)).to.deep.include({ event: 'error' });
    await expectProblem(await ask('application/json'), 503, 'SERVICE_UNAVAILABLE');
  });

  it('stops the work when the client leaves, in both forms', async () => {
    for (const accept of ['text/event-stream', 'application/json']) {
      let stopped = false;
      let started = false;
      world.state.instead.answer = async function* (_request, context) {
        yield { event: { case: 'sources', value: { sources: [] } } };
        started = true;
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
        stopped = true;
      };
      const leaving = new AbortController();
      const asking = ask(accept, leaving.signal).catch(() => undefined);
      await eventually(() => started);
      leaving.abort();
      await asking;
      await eventually(() => stopped, { description: `the work to stop (${accept})` });
    }
  });

  it("bounds a tenant's streams, and gives a place back when one ends", async () => {
    world.state.instead.answer = async function* (_request, context) {
      yield { event: { case: 'sources', value: { sources: [] } } };
      await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
    };
    const leaving = new AbortController();
    const open = await Promise.all([
      ask('text/event-stream', leaving.signal),
      ask('text/event-stream', leaving.signal),
    ]);
    expect(open.map(({ status }) => status)).to.deep.equal([200, 200]);
    const refused = await ask('text/event-stream');
    await expectProblem(refused, 429, 'RATE_LIMITED');
    expect(refused.headers.get('retry-after')).to.equal('2');
    leaving.abort();
    delete world.state.instead.answer;
    await eventually(async () => (await ask('text/event-stream')).status === 200);
  });
});
