import { createModelGuard } from '@wardstone/aws/bedrock';
import { AppError } from '@wardstone/rpc';
import { guardrailIntervention, type Json, textAnswer } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import { maxCheckedChars, maxGroundingChars, maxQueryChars } from '../src/adapters/bedrock-guardrail.ts';
import { createGuardrailGuards } from '../src/adapters/guardrail-guards.ts';
import { guardrailModelId } from '../src/domain/guardrail-units.ts';
import type { Allow, AnswerInput, ModelEvent } from '../src/ports.ts';
import {
  answeredInPieces,
  fast,
  input,
  limits as longLimits,
  line,
  lineOf,
  longMs,
  quality,
  readAll,
  useClaude,
} from './support/claude.ts';
import { sourceOf } from './support/sources.ts';

const guardrail = { id: 'gr-1', version: '3' };
const own = { id: 'gr-own', version: '1' };
const blockedByGuardrail = 'Sorry, that cannot be said.';

/** What each check of a guardrail came to. */
function paidTo(events: readonly ModelEvent[]): number[] {
  return events.flatMap((event) =>
    event.kind === 'usage' && event.usage.modelId === guardrailModelId ? [event.usage.costMicroUsd] : [],
  );
}

const kindsOf = (events: readonly ModelEvent[]) =>
  events.filter((event) => event.kind !== 'usage' || event.usage.modelId !== guardrailModelId).map(({ kind }) => kind);

/** What a call of ApplyGuardrail was asked: its texts by what they are. */
function contentOf(body: Json | undefined): [string, string][] {
  const content = (body?.['content'] ?? []) as { text: { text: string; qualifiers: string[] } }[];
  return content.map(({ text }) => [text.qualifiers.join(), text.text]);
}

describe('Claude: a guardrail in the stream', () => {
  const suite = useClaude();
  const asked = () => suite.double.calls[0]?.body ?? {};
  beforeEach(() => suite.double.onConverse(answeredInPieces));

  it('is not asked for unless there is one', async () => {
    await readAll(suite.claude(), input);
    expect(asked()).not.to.have.property('guardrailConfig');
    expect(JSON.stringify(asked())).not.to.contain('guardContent');
  });

  it('checks before anything leaves, and does not tell what it found', async () => {
    await readAll(suite.claude({ guardrail }), input);
    expect(asked()['guardrailConfig']).to.deep.equal({
      guardrailIdentifier: 'gr-1',
      guardrailVersion: '3',
      trace: 'disabled',
      streamProcessingMode: 'sync',
    });
  });

  it('looks at the question, and at the sources for grounding alone', async () => {
    await readAll(suite.claude({ guardrail }), input);
    const [message] = asked()['messages'] as { content: Json[] }[];
    const guarded = (message?.content ?? []).flatMap(({ guardContent }) => {
      const { text } = (guardContent ?? { text: undefined }) as { text?: { text: string; qualifiers: string[] } };
      return text === undefined ? [] : [text];
    });
    expect(guarded.map(({ qualifiers }) => qualifiers)).to.have.deep.members([
      ['grounding_source'],
      ['query', 'guard_content'],
    ]);
    expect(guarded.find(({ qualifiers }) => qualifiers.includes('query'))?.text).to.contain(input.question);
    expect(guarded.find(({ qualifiers }) => qualifiers.includes('grounding_source'))?.text).to.contain('bleeding');
  });

  it('looks at the conversation before as at the question: it may be older than the guardrail is', async () => {
    const history = [{ question: 'Who are you?', answer: 'One who tells everything.' }];
    await readAll(suite.claude({ guardrail }), { ...input, history });
    const [message] = asked()['messages'] as { content: Json[] }[];
    for (const words of ['Who are you?', 'tells everything']) {
      const blocks = (message?.content ?? []).filter((block) => JSON.stringify(block).includes(words));
      expect(blocks).to.have.length(1);
      const { guardContent } = blocks[0] as { guardContent?: { text: { text: string; qualifiers: string[] } } };
      expect(guardContent?.text.qualifiers).to.deep.equal(['guard_content']);
      expect(JSON.stringify(asked()['system'])).not.to.contain(words);
    }
  });

  it('is the tenant’s where the installation has none', async () => {
    await readAll(suite.claude(), { ...input, guardrail: own });
    expect(asked()['guardrailConfig']).to.deep.include({ guardrailIdentifier: 'gr-own', guardrailVersion: '1' });
    expect(suite.double.calls).to.have.length(1);
  });

  it('is paid for by units of text, as Bedrock does not tell of it: more with the sources, for their grounding', async () => {
    const paid = async (guardrailCheck: 'stream' | 'whole'): Promise<number> => {
      const { events } = await readAll(suite.claude({ guardrail, guardrailCheck }), input);
      return paidTo(events)[0] ?? NaN;
    };
    // A unit of question and one of answer, each looked at by three policies; the source's unit, and those two, for grounding.
    expect(await paid('whole')).to.equal(2 * (150 + 150 + 100));
    expect(await paid('stream')).to.equal(2 * (150 + 150 + 100) + 3 * 100);
  });

  it('that steps in ends the answer; its own words are none of the model’s', async () => {
    suite.double.onConverse(() => textAnswer(line + blockedByGuardrail, { stopReason: 'guardrail_intervened' }));
    const { events } = await readAll(suite.claude({ guardrail }), input);
    expect(JSON.stringify(events)).not.to.contain(blockedByGuardrail);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'blocked' });
  });
});

describe('Claude: a tenant’s guardrail in the stream', () => {
  const suite = useClaude();
  const circuit = { minAttempts: 3, firstOpenMs: longMs, maxOpenMs: longMs };
  const breaking = { delays: { firstMs: 1, maxMs: 2 }, circuit };
  const claude = () =>
    suite.claude({
      ...{
        routes: [suite.route(quality, breaking), suite.route(fast, breaking)],
        rewriteRoute: suite.route(fast, breaking),
      },
      guardrailGuards: createGuardrailGuards(() => createModelGuard(breaking)),
    });
  const history = [{ question: 'Who is it?', answer: 'A patient.' }];
  const models = () => suite.double.calls.map(({ model }) => model);
  const away = { kind: 'error', type: 'ServiceUnavailableException' } as const;
  beforeEach(() => suite.double.onConverse(answeredInPieces));

  it('that is away closes no model to others, and is asked no more itself', async () => {
    const model = claude();
    suite.double.fault(away);
    expect((await readAll(model, { ...input, guardrail: own })).error).to.be.instanceOf(AppError);
    expect(models()).to.have.length(6);
    suite.double.clearFaults();
    suite.double.forgetCalls();
    expect((await readAll(model, { ...input, guardrail: own })).error).to.be.instanceOf(AppError);
    expect(models()).to.deep.equal([]);
    const { events } = await readAll(model, input);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'answered' });
    expect(models()).to.deep.equal([quality.id]);
  });

  it('that is away closes the rewriting of questions to nobody else', async () => {
    const model = claude();
    const asked = { question: 'Why?', history, spent: () => undefined };
    const { signal } = new AbortController();
    suite.double.fault(away);
    await model.rewrite({ ...asked, guardrail: own }, signal);
    expect(models()).to.have.length(3);
    suite.double.clearFaults();
    suite.double.forgetCalls();
    await model.rewrite({ ...asked, guardrail: own }, signal);
    expect(models()).to.deep.equal([]);
    await model.rewrite(asked, signal);
    expect(models()).to.deep.equal([fast.id]);
  });

  it('asks no model of which others know that it is away', async () => {
    const model = claude();
    suite.double.fault(away, { model: quality.id });
    await readAll(model, input);
    suite.double.forgetCalls();
    await readAll(model, { ...input, guardrail: own });
    expect(models()).to.deep.equal([fast.id]);
  });
});

describe('Claude: a guardrail for the whole answer', () => {
  const suite = useClaude();
  const claude = () => suite.claude({ guardrail, guardrailCheck: 'whole' });
  const checks = () => suite.double.calls.filter(({ operation }) => operation === 'ApplyGuardrail');
  beforeEach(() => suite.double.onConverse(answeredInPieces));

  it('lets statements go when it has seen all of them', async () => {
    const { events } = await readAll(claude(), input);
    expect(kindsOf(events)).to.deep.equal(['usage', 'statement', 'statement', 'done']);
    expect(checks().map(({ model }) => model)).to.deep.equal(['gr-1/3']);
    expect(checks()[0]?.body).to.deep.include({ source: 'OUTPUT' });
    expect(contentOf(checks()[0]?.body)).to.deep.equal([
      ['grounding_source', 'Warfarin was stopped because of bleeding.'],
      ['query', input.question],
      ['guard_content', 'It was stopped.\nIt bled.'],
    ]);
  });

  it('keeps all of them when it steps in', async () => {
    suite.double.onGuardrail(() => guardrailIntervention(blockedByGuardrail));
    const { events } = await readAll(claude(), input);
    expect(kindsOf(events)).to.deep.equal(['usage', 'done']);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'blocked' });
  });

  it('is paid for by the units that Bedrock tells of, also when it steps in', async () => {
    const usage = { topicPolicyUnits: 2, contentPolicyUnits: 1, contextualGroundingPolicyUnits: 7 };
    suite.double.onGuardrail(() => ({ ...guardrailIntervention(blockedByGuardrail), usage }));
    const { events } = await readAll(claude(), input);
    expect(paidTo(events).at(-1)).to.equal(2 * 150 + 150 + 7 * 100);
  });

  it('is estimated where Bedrock did not answer in time', async () => {
    suite.double.fault({ kind: 'stall' }, { operation: 'ApplyGuardrail' });
    const limits = { ...longLimits, guardrailTimeoutMs: 50 };
    const { events, error } = await readAll(suite.claude({ guardrail, guardrailCheck: 'whole', limits }), input);
    expect(AppError.from(error).reason).to.equal('MODEL_TIMEOUT');
    expect(
      paidTo(events)
        .slice(1)
        .every((micros) => micros > 0),
    ).to.equal(true);
    expect(paidTo(events).length).to.be.greaterThan(1);
  });

  it('is within what the answer may cost at most, and allowed call by call', async () => {
    const allowed: number[] = [];
    const allow: Allow = (microUsd) => Promise.resolve(void allowed.push(microUsd));
    const { events } = await readAll(claude(), { ...input, allow });
    expect(allowed).to.have.length(2);
    expect(Math.max(...allowed)).to.be.at.most(claude().maxMicroUsd(input));
    expect(suite.claude().maxMicroUsd(input)).to.be.below(claude().maxMicroUsd(input));
    expect(paidTo(events).at(-1)).to.be.at.most(allowed[1] ?? NaN);
  });

  it('lets nothing go when it cannot be asked', async () => {
    suite.double.fault({ kind: 'error', type: 'AccessDeniedException' }, { operation: 'ApplyGuardrail' });
    const { events, error } = await readAll(claude(), input);
    expect(AppError.from(error).reason).to.equal('MODEL_ACCESS_DENIED');
    expect(kindsOf(events)).to.deep.equal(['usage']);
  });

  it('is asked again when it is throttled', async () => {
    suite.double.fault({ kind: 'error', type: 'ThrottlingException' }, { operation: 'ApplyGuardrail', next: 2 });
    const { error } = await readAll(claude(), input);
    expect(error).to.equal(undefined);
    expect(checks()).to.have.length(3);
  });

  it('is not asked about an answer that says nothing', async () => {
    suite.double.onConverse(() => textAnswer('{"none":true}\n'));
    const { events } = await readAll(claude(), input);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'not-in-documents' });
    expect(checks()).to.deep.equal([]);
  });

  it('gets no more at a time than it takes: statements whole, those sources first that they quote', async () => {
    const statements = [1, 2, 3].map((n) => `${String(n)} ${'word '.repeat(400)}`.trim());
    suite.double.onConverse(() => textAnswer(statements.map((text) => lineOf(text, 2, 'second')).join('')));
    const sources = [1, 2, 3].map((number) =>
      sourceOf({ number, text: `${number === 2 ? 'second' : 'other'} ${'x'.repeat(45_000)}` }),
    );
    const long: AnswerInput = { question: 'w'.repeat(2_000), history: [], sources };
    await readAll(claude(), long);
    expect(checks()).to.have.length(2);
    for (const { body } of checks()) {
      const content = contentOf(body);
      const lengthOf = (kind: string) =>
        content.filter(([it]) => it === kind).reduce((sum, [, text]) => sum + text.length, 0);
      expect(lengthOf('grounding_source')).to.be.at.most(maxGroundingChars).and.at.least(90_000);
      expect(lengthOf('query')).to.equal(maxQueryChars);
      expect(lengthOf('guard_content')).to.be.at.most(maxCheckedChars);
      expect(content[0]?.[1]).to.match(/^second/u);
    }
    const checked = checks().flatMap(({ body }) => contentOf(body).filter(([kind]) => kind === 'guard_content'));
    expect(checked.map(([, text]) => text).join('\n')).to.equal(statements.join('\n'));
  });
});

describe('Claude: a tenant’s guardrail beside the installation’s', () => {
  const suite = useClaude();
  const asked: AnswerInput = { ...input, guardrail: own };
  const claude = (guardrailCheck: 'stream' | 'whole' = 'stream') => suite.claude({ guardrail, guardrailCheck });
  const checks = () =>
    suite.double.calls
      .filter(({ operation }) => operation === 'ApplyGuardrail')
      .map(({ model, body }) => [model, body['source']]);
  const streams = () => suite.double.calls.filter(({ operation }) => operation === 'ConverseStream');
  beforeEach(() => suite.double.onConverse(answeredInPieces));

  it('looks at the question before the model has it, and at the whole answer; the installation’s stays in the call', async () => {
    const { events } = await readAll(claude(), asked);
    expect(suite.double.calls.map(({ operation }) => operation)).to.deep.equal([
      'ApplyGuardrail',
      'ConverseStream',
      'ApplyGuardrail',
    ]);
    expect(checks()).to.deep.equal([
      ['gr-own/1', 'INPUT'],
      ['gr-own/1', 'OUTPUT'],
    ]);
    expect(contentOf(suite.double.calls[0]?.body)).to.deep.equal([['guard_content', input.question]]);
    expect(streams()[0]?.body['guardrailConfig']).to.deep.include({ guardrailIdentifier: 'gr-1' });
    expect(kindsOf(events)).to.deep.equal(['usage', 'statement', 'statement', 'done']);
    expect(claude().maxMicroUsd(asked)).to.be.greaterThan(claude().maxMicroUsd(input));
  });

  it('keeps a question from the model that it does not let through', async () => {
    suite.double.onGuardrail(() => guardrailIntervention(blockedByGuardrail));
    const { events } = await readAll(claude(), asked);
    expect(streams()).to.deep.equal([]);
    expect(kindsOf(events)).to.deep.equal(['done']);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'blocked' });
  });

  it('keeps an answer that it does not let through', async () => {
    suite.double.onGuardrail(({ body }) =>
      body['source'] === 'OUTPUT' ? guardrailIntervention(blockedByGuardrail) : { action: 'NONE', outputs: [] },
    );
    const { events } = await readAll(claude(), asked);
    expect(kindsOf(events)).to.deep.equal(['usage', 'done']);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'blocked' });
  });

  it('looks at the conversation before with the question', async () => {
    const history = [{ question: 'Who are you?', answer: 'One who tells everything.' }];
    await readAll(claude(), { ...asked, history });
    expect(contentOf(suite.double.calls[0]?.body)).to.deep.equal([
      ['guard_content', `Who are you?\nOne who tells everything.\n${asked.question}`],
    ]);
  });

  it('lets nothing go when it cannot be asked', async () => {
    suite.double.fault({ kind: 'error', type: 'AccessDeniedException' }, { operation: 'ApplyGuardrail' });
    const { events, error } = await readAll(claude(), asked);
    expect(AppError.from(error).reason).to.equal('MODEL_ACCESS_DENIED');
    expect([streams(), events]).to.deep.equal([[], []]);
  });

  it('that is away is asked no more, and takes neither the model nor another’s guardrail from anybody', async () => {
    const away = { kind: 'error', type: 'ServiceUnavailableException' } as const;
    suite.double.fault(away, { operation: 'ApplyGuardrail', model: 'gr-own/1' });
    const circuit = { minAttempts: 4, firstOpenMs: longMs, maxOpenMs: longMs };
    const route = suite.route(quality, { circuit });
    const guardrailGuards = createGuardrailGuards(() => suite.route(quality, { circuit }).guard);
    const one = suite.claude({ guardrail, guardrailGuards, routes: [route], rewriteRoute: route });
    for (let time = 0; time < 8; time += 1) {
      const { error } = await readAll(one, asked);
      expect(AppError.from(error).reason).to.equal('MODEL_UNAVAILABLE');
    }
    expect([route.guard.circuit(), route.guard.refuses()]).to.deep.equal(['closed', false]);
    const asks = suite.double.calls.length;
    await readAll(one, asked);
    expect(suite.double.calls).to.have.length(asks);
    const history = [{ question: 'Was it?', answer: '' }];
    const spent = () => undefined;
    await one.rewrite({ question: 'And why?', history, guardrail: own, spent }, new AbortController().signal);
    expect(suite.double.calls).to.have.length(asks);
    for (const another of [{ ...own, version: '2' }, { ...own, id: 'gr-another' }, undefined]) {
      const { error } = await readAll(one, { ...input, ...(another && { guardrail: another }) });
      expect(error).to.equal(undefined);
    }
  });

  it('looks at the whole answer after the installation’s, where that does too', async () => {
    await readAll(claude('whole'), asked);
    expect(checks()).to.deep.equal([
      ['gr-own/1', 'INPUT'],
      ['gr-1/3', 'OUTPUT'],
      ['gr-own/1', 'OUTPUT'],
    ]);
  });

  it('is the installation’s own, once', async () => {
    await readAll(claude(), { ...input, guardrail });
    expect(checks()).to.deep.equal([]);
    expect(streams()).to.have.length(1);
  });
});

describe('Claude: guardrails of a follow-up question', () => {
  const suite = useClaude();
  const history = [{ question: 'Was warfarin stopped?', answer: 'It was.' }];
  const rewrite = async (options: Parameters<typeof suite.claude>[0], ownOne?: typeof own) => {
    const used: string[] = [];
    const asked = { question: 'And why?', history, ...(ownOne && { guardrail: ownOne }) };
    const question = await suite
      .claude(options)
      .rewrite({ ...asked, spent: ({ modelId }) => void used.push(modelId) }, new AbortController().signal);
    return { question, used };
  };
  const configOf = (at: number) => suite.double.calls[at]?.body['guardrailConfig'];
  beforeEach(() => suite.double.onConverse(() => textAnswer('{"question":"Why was warfarin stopped?"}')));

  for (const [title, options, ownOne, id] of [
    ['the installation’s', { guardrail }, undefined, 'gr-1'],
    ['the tenant’s', {}, own, 'gr-own'],
  ] as const) {
    it(`${title} is in the call, looks at the question and the conversation, and is paid for`, async () => {
      const { question, used } = await rewrite(options, ownOne);
      expect(question).to.equal('Why was warfarin stopped?');
      expect(configOf(0)).to.deep.include({ guardrailIdentifier: id, trace: 'disabled' });
      const [message] = suite.double.calls[0]?.body['messages'] as { content: Json[] }[];
      const guarded = (message?.content ?? []).filter((block) => 'guardContent' in block);
      expect(guarded).to.have.length(2);
      expect(JSON.stringify(guarded)).to.contain('And why?').and.to.contain('Was warfarin stopped?');
      expect(used).to.contain(guardrailModelId);
    });
  }

  it('look at the conversation too, each in its place', async () => {
    await rewrite({ guardrail }, own);
    const [check, converse] = suite.double.calls.map(({ body }) => body);
    expect(JSON.stringify(check?.['content'])).to.contain('Was warfarin stopped?').and.to.contain('And why?');
    const [message] = converse?.['messages'] as { content: Json[] }[];
    const guarded = (message?.content ?? []).filter((block) => 'guardContent' in block);
    expect(JSON.stringify(guarded)).to.contain('Was warfarin stopped?').and.to.contain('And why?');
  });

  it('both are asked; what one does not let through is not rewritten', async () => {
    expect((await rewrite({ guardrail }, own)).question).to.equal('Why was warfarin stopped?');
    expect(suite.double.calls.map(({ operation, model }) => [operation, model])).to.deep.equal([
      ['ApplyGuardrail', 'gr-own/1'],
      ['Converse', fast.id],
    ]);
    expect(configOf(1)).to.deep.include({ guardrailIdentifier: 'gr-1' });
    suite.double.onGuardrail(() => guardrailIntervention(blockedByGuardrail));
    expect((await rewrite({ guardrail }, own)).question).to.equal('And why?');
    expect(suite.double.calls).to.have.length(3);
    suite.double.onConverse(() => textAnswer(blockedByGuardrail, { stopReason: 'guardrail_intervened' }));
    expect((await rewrite({ guardrail })).question).to.equal('And why?');
    expect(suite.told.filter((word) => word === 'rewrite blocked')).to.have.length(2);
  });
});
