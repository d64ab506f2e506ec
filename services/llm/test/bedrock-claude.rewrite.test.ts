import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { textAnswer } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import type { Allow, ModelUsage } from '../src/ports.ts';
import { conservative, fast, limits, messageOf, useClaude } from './support/claude.ts';

const question = 'And why?';
const history = [{ question: 'Was warfarin stopped?', answer: 'It was.' }];

describe('Claude: a follow-up question', () => {
  const suite = useClaude();
  const used: ModelUsage[] = [];
  const allowed: number[] = [];
  let allow: Allow;
  beforeEach(() => {
    allowed.length = 0;
    allow = (microUsd) => Promise.resolve(void allowed.push(microUsd));
  });
  const rewrite = async (signal = new AbortController().signal, own: Parameters<typeof suite.claude>[0] = {}) => {
    used.length = 0;
    const spent = (usage: ModelUsage) => void used.push(usage);
    return { question: await suite.claude(own).rewrite({ question, history, allow, spent }, signal) };
  };
  const says = (text: string) => suite.double.onConverse(() => textAnswer(text));

  it('is put into words by the quick model, which reads the conversation as data', async () => {
    says('{"question":"Why was warfarin stopped?"}');
    const { question: rewritten } = await rewrite();
    expect(rewritten).to.equal('Why was warfarin stopped?');
    expect(used.map(({ modelId }) => modelId)).to.deep.equal([fast.id]);
    expect(used[0]?.outputTokens).to.be.greaterThan(0);
    const [call] = suite.double.calls;
    expect([call?.operation, call?.model]).to.deep.equal(['Converse', fast.id]);
    expect(messageOf(call?.body ?? {})).to.contain('<asked-c0de>\nWas warfarin stopped?\n</asked-c0de>');
    expect(JSON.stringify(call?.body['system'])).not.to.contain('warfarin');
    expect(JSON.stringify(call?.body)).not.to.contain('temperature');
  });

  it('has the sampling that a model takes', async () => {
    says('{"question":"Why?"}');
    await rewrite(undefined, { rewriteRoute: suite.route(conservative) });
    expect(suite.double.calls[0]?.body['inferenceConfig']).to.deep.include({ temperature: 0 });
  });

  for (const [title, text] of [
    ['in a code fence', '```json\n{"question":"Why was it stopped?"}\n```'],
    ['over several lines', '{\n"question": "Why was\\nit stopped?"\n}'],
  ] as const) {
    it(`is read when it comes ${title}`, async () => {
      says(text);
      expect((await rewrite()).question).to.equal('Why was it stopped?');
    });
  }

  for (const [title, text] of [
    ['no JSON', 'Why was it stopped?'],
    ['empty', '{"question":" "}'],
    ['of another form', '{"answer":"bleeding"}'],
    ['too long', JSON.stringify({ question: 'w'.repeat(4_001) })],
  ] as const) {
    it(`stays as it was when the model's is ${title}; it is paid for`, async () => {
      says(text);
      const rewritten = await rewrite();
      expect(rewritten.question).to.equal(question);
      expect(used.map(({ modelId }) => modelId)).to.deep.equal([fast.id]);
      expect(suite.told).to.contain('rewrite malformed');
    });
  }

  for (const type of ['AccessDeniedException', 'ServiceUnavailableException', 'ValidationException'] as const) {
    it(`stays as it was after ${type}`, async () => {
      suite.double.fault({ kind: 'error', type });
      expect(await rewrite()).to.deep.equal({ question });
      expect(suite.told).to.contain('rewrite failed');
      expect(used).to.deep.equal([]);
    });
  }

  it('stays as it was when the model is silent, whose call ends', async () => {
    suite.double.fault({ kind: 'stall' });
    const own = { limits: { ...limits, rewriteTimeoutMs: 50 } };
    expect(await rewrite(undefined, own)).to.deep.equal({ question });
    expect(used[0]?.inputTokens, 'Bedrock has read it').to.be.greaterThan(0);
    await eventually(() => suite.double.calls.every(({ aborted }) => aborted));
  });

  it('is allowed before it is asked, at what it may cost at most, and each attempt with what those before it have cost', async () => {
    says('{"question":"Why was warfarin stopped?"}');
    suite.double.fault({ kind: 'error', type: 'ModelTimeoutException' }, { next: 1 });
    await rewrite();
    const [first = NaN, second = NaN] = allowed;
    expect(allowed).to.have.length(2);
    const cost = used.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0);
    expect(used).to.have.length(2);
    expect(cost).to.be.below(first);
    expect(second - first).to.be.at.least(used[0]?.costMicroUsd ?? NaN);
  });

  it('is left out where it may not be paid for', async () => {
    allow = () => Promise.reject(new AppError('BUDGET_EXCEEDED'));
    expect(await rewrite()).to.deep.equal({ question });
    expect(suite.double.calls).to.deep.equal([]);
  });

  it('is nobody’s any more when its caller has left', async () => {
    suite.double.fault({ kind: 'stall' });
    const caller = new AbortController();
    const rewriting = rewrite(caller.signal).catch((error: unknown) => AppError.from(error).reason);
    await eventually(() => suite.double.calls.length === 1);
    caller.abort(new AppError('DEADLINE_EXCEEDED'));
    expect(await rewriting).to.equal('DEADLINE_EXCEEDED');
    expect(used.map(({ modelId }) => modelId)).to.deep.equal([fast.id]);
    expect(used[0]?.inputTokens, 'Bedrock has read it').to.be.greaterThan(0);
    await eventually(() => suite.double.calls[0]?.aborted === true);
  });
});
