import { expect } from 'chai';
import { asPrincipal } from '@wardstone/rpc';
import { AnswerOutcome } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { eventually } from '@wardstone/testing';
import { notInDocuments } from '../src/domain/outcomes.ts';
import { says, scriptedModel } from './support/scripted-model.ts';
import {
  clinician,
  collect,
  createHarness,
  documentId,
  found,
  type Hit,
  reasonOf,
  untilAborted,
} from './support/harness.ts';

const question = 'Why was warfarin stopped?';
const quote = 'Warfarin was stopped because of bleeding.';
const as = (options: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
  asPrincipal(clinician, { requestId: 'request-1', ...options });

describe('Answer: the stream', () => {
  it('sends sources, the statement, its citation, and how it ended', async () => {
    const { client } = createHarness();
    const events = await collect(client.answer({ question }, as()));
    expect(events.map((event) => event.case)).to.deep.equal(['sources', 'delta', 'citation', 'usage', 'done']);
    const [sources, delta, citation, , done] = events.map((event) => event.value);
    expect(sources).to.have.property('sources').with.length(2);
    expect(delta).to.have.property('text', quote);
    expect(citation).to.deep.include({
      sourceNumber: 1,
      quote,
      answerStart: 0,
      answerEnd: quote.length,
      documentId,
      version: 2,
    });
    expect(citation)
      .to.have.property('span')
      .that.deep.includes({ pageStart: 4, pageEnd: 4, charStart: 1_000, charEnd: 1_041 });
    expect(done).to.deep.include({ outcome: AnswerOutcome.ANSWERED, modelId: 'wardstone-extractive-1' });
  });

  it('numbers the sources as retrieval ranked them', async () => {
    const { client } = createHarness();
    const [first] = await collect(client.answer({ question }, as()));
    const sources = first?.case === 'sources' ? first.value.sources : [];
    expect(sources.map(({ number, score, documentTitle }) => [number, score, documentTitle])).to.deep.equal([
      [1, 0.8, 'Discharge summary'],
      [2, 0.2, 'Discharge summary'],
    ]);
    expect(sources[0]?.span).to.deep.include({ pageStart: 4, pageEnd: 5, charStart: 1_000, charEnd: 1_080 });
  });

  it('finds the page of a quote on a later page of its chunk', async () => {
    const { client } = createHarness();
    const events = await collect(client.answer({ question: 'Which dose of metformin does he take?' }, as()));
    const citation = events.find((event) => event.case === 'citation')?.value;
    expect(citation).to.have.property('quote', 'He takes metformin 500 mg twice daily.');
    expect(citation).to.have.property('span').that.deep.includes({ pageStart: 5, pageEnd: 5, charStart: 1_042 });
  });

  for (const [what, hits] of [
    ['nothing was found', []],
    ['what was found does not answer', found.hits?.slice(1) ?? []],
  ] satisfies [string, Hit['hits']][]) {
    it(`says that the documents do not answer when ${what}`, async () => {
      const { client, scene } = createHarness();
      scene.found = { hits };
      const events = await collect(client.answer({ question }, as()));
      expect(events.map((event) => event.case)).to.deep.equal(['sources', 'delta', 'usage', 'done']);
      expect(events[1]?.value).to.have.property('text', notInDocuments);
      expect(events[3]?.value).to.have.property('outcome', AnswerOutcome.NOT_IN_DOCUMENTS);
    });
  }

  it('asks retrieval as the user, with the rest of the deadline, eight chunks unless told', async () => {
    const { client, asked } = createHarness();
    await collect(client.answer({ question }, as({ timeoutMs: 5_000 })));
    await collect(client.answer({ question, topK: 3, documentIds: [documentId] }, as()));
    expect(asked.map(({ query, topK, documentIds }) => ({ query, topK, documentIds }))).to.deep.equal([
      { query: question, topK: 8, documentIds: [] },
      { query: question, topK: 3, documentIds: [documentId] },
    ]);
    expect(asked[0]?.options?.timeoutMs).to.be.within(1, 5_000);
    expect(asked[0]?.options?.contextValues).not.to.equal(undefined);
  });

  it('is audited with its documents before the first source leaves, and without a word', async () => {
    const { client, events, logs } = createHarness();
    for await (const { event } of client.answer({ question }, as())) {
      expect(event.case).to.equal('sources');
      expect(events).to.have.length(1);
      break;
    }
    expect(events[0]).to.deep.include({ action: 'answer.create', resourceIds: [documentId], outcome: 'success' });
    expect(events[0]?.principal.subject).to.equal('user-1');
    for (const kept of [JSON.stringify(events), logs.join('')]) expect(kept.toLowerCase()).not.to.contain('warfarin');
  });
});

describe('Answer: refusals and faults', () => {
  it('shows nothing while audit is down', async () => {
    const { client, scene } = createHarness();
    scene.auditFails = true;
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const event of client.answer({ question }, as())) seen.push(event);
    })();
    expect(await reasonOf(reading)).to.equal('AUDIT_UNAVAILABLE');
    expect(seen).to.deep.equal([]);
  });

  for (const reason of [
    'MODEL_UNAVAILABLE',
    'DATABASE_UNAVAILABLE',
    'AUDIT_UNAVAILABLE',
    'PERMISSION_DENIED',
  ] as const) {
    it(`passes retrieval's ${reason} on`, async () => {
      const { client, scene } = createHarness();
      scene.searchFails = reason;
      expect(await reasonOf(collect(client.answer({ question }, as())))).to.equal(reason);
    });
  }

  for (const [what, request] of [
    ['an empty question', { question: '' }],
    ['a question that is too long', { question: 'x'.repeat(4_001) }],
    ['more than 50 chunks', { question, topK: 51 }],
    ['a document id that is none', { question, documentIds: ['1'] }],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { client, asked } = createHarness();
      const message = { ...request, documentIds: 'documentIds' in request ? [...request.documentIds] : [] };
      expect(await reasonOf(collect(client.answer(message, as())))).to.equal('INVALID_ARGUMENT');
      expect(asked).to.deep.equal([]);
    });
  }

  it('stops the search when the caller goes', async () => {
    const { client, scene, asked, events } = createHarness();
    scene.searchHolds = true;
    const caller = new AbortController();
    const answer = collect(client.answer({ question }, as({ signal: caller.signal })));
    await eventually(() => asked.length === 1);
    caller.abort();
    expect(await reasonOf(answer)).to.equal('CANCELLED');
    await eventually(() => asked[0]?.options?.signal?.aborted === true);
    expect(events).to.deep.equal([]);
  });

  it('ends with the deadline', async () => {
    const { client } = createHarness(
      scriptedModel(async function* (_input, signal) {
        yield says(quote, [1, quote]);
        await untilAborted(signal);
      }),
    );
    const reason = await reasonOf(collect(client.answer({ question }, as({ timeoutMs: 200 }))));
    expect(reason).to.equal('DEADLINE_EXCEEDED');
  });

  it('refuses more answers at once than it may give, and takes the next when one has ended', async () => {
    const { client, scene, asked } = createHarness(undefined, { maxAnswers: 1 });
    scene.searchHolds = true;
    const caller = new AbortController();
    const first = collect(client.answer({ question }, as({ signal: caller.signal })));
    await eventually(() => asked.length === 1);
    expect(await reasonOf(collect(client.answer({ question }, as())))).to.equal('RATE_LIMITED');
    caller.abort();
    expect(await reasonOf(first)).to.equal('CANCELLED');
    scene.searchHolds = false;
    const next = await eventually(async () => (await collect(client.answer({ question }, as()))).length);
    expect(next).to.equal(5);
  });

  it('answers another tenant while one asks for more than its share', async () => {
    const { client, scene, asked } = createHarness(undefined, { maxAnswers: 4, tenantSlotPercent: 50 });
    scene.searchHolds = true;
    const caller = new AbortController();
    const held = [1, 2].map(() => reasonOf(collect(client.answer({ question }, as({ signal: caller.signal })))));
    await eventually(() => asked.length === 2);
    expect(await reasonOf(collect(client.answer({ question }, as())))).to.equal('RATE_LIMITED');
    scene.searchHolds = false;
    const other = asPrincipal({ ...clinician, tenantId: '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f0f' });
    expect(await collect(client.answer({ question }, other))).to.have.length(5);
    caller.abort();
    expect(await Promise.all(held)).to.deep.equal(['CANCELLED', 'CANCELLED']);
    const next = await eventually(async () => (await collect(client.answer({ question }, as()))).length);
    expect(next).to.equal(5);
  });

  it('says MODEL_UNAVAILABLE when the model stops without saying how it ended', async () => {
    const { client } = createHarness(scriptedModel([says(quote, [1, quote])]));
    expect(await reasonOf(collect(client.answer({ question }, as())))).to.equal('MODEL_UNAVAILABLE');
  });
});

describe('Answer: the record of how it ended', () => {
  it('has outcome and counts of one that was sent whole', async () => {
    const { client, events } = createHarness();
    await collect(client.answer({ question }, as()));
    expect(events.map(({ action }) => action)).to.deep.equal(['answer.create', 'answer.end']);
    expect(events[1]).to.deep.include({ outcome: 'success', resourceIds: [documentId] });
    expect(events[1]?.attributes).to.include({
      outcome: 'answered',
      statements: '1',
      withheld: '0',
      cost_micro_usd: '0',
    });
    expect(JSON.stringify(events).toLowerCase()).not.to.contain('warfarin');
  });

  it('has the reason of one that broke off', async () => {
    const { client, events } = createHarness(scriptedModel([says(quote, [1, quote])]));
    await reasonOf(collect(client.answer({ question }, as())));
    expect(events[1]).to.deep.include({ action: 'answer.end', outcome: 'failure', reason: 'MODEL_UNAVAILABLE' });
  });

  it('tells of a caller who left', async () => {
    const { client, events } = createHarness();
    for await (const { event } of client.answer({ question }, as())) if (event.case === 'sources') break;
    await eventually(() => events.length === 2);
    expect(events[1]).to.deep.include({ action: 'answer.end', outcome: 'failure', reason: 'CANCELLED' });
  });

  it('tells of a budget that was used up', async () => {
    const { client, scene, events } = createHarness();
    scene.budgetUsedUp = true;
    expect(await reasonOf(collect(client.answer({ question }, as())))).to.equal('BUDGET_EXCEEDED');
    expect(events[0]).to.deep.include({ action: 'answer.create', outcome: 'denied', reason: 'BUDGET_EXCEEDED' });
  });

  it('does not fail an answer that was sent when it cannot be kept, and is logged', async () => {
    const { client, scene, logs } = createHarness();
    scene.auditRefuses = 'answer.end';
    expect((await collect(client.answer({ question }, as()))).at(-1)?.case).to.equal('done');
    expect(logs.join('')).to.contain('an event of an answer could not be recorded');
  });
});
