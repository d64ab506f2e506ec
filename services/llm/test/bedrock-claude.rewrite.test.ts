import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { textAnswer } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import { conservative, fast, limits, messageOf, useClaude } from './support/claude.ts';

const question = 'And why?';
const history = [{ question: 'Was warfarin stopped?', answer: 'It was.' }];

describe('Claude: a follow-up question', () => {
  const suite = useClaude();
  const rewrite = (signal = new AbortController().signal, own: Parameters<typeof suite.claude>[0] = {}) =>
    suite.claude(own).rewrite(question, history, signal);
  const says = (text: string) => suite.double.onConverse(() => textAnswer(text));

  it('is put into words by the quick model, which reads the conversation as data', async () => {
    says('{"question":"Why was warfarin stopped?"}');
    const { question: rewritten, usage } = await rewrite();
    expect(rewritten).to.equal('Why was warfarin stopped?');
    expect(usage?.modelId).to.equal(fast.id);
    expect(usage?.outputTokens).to.be.greaterThan(0);
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
      expect(rewritten.usage?.modelId).to.equal(fast.id);
      expect(suite.told).to.contain('rewrite malformed');
    });
  }

  for (const type of ['AccessDeniedException', 'ServiceUnavailableException', 'ValidationException'] as const) {
    it(`stays as it was after ${type}`, async () => {
      suite.double.fault({ kind: 'error', type });
      expect(await rewrite()).to.deep.equal({ question });
      expect(suite.told).to.contain('rewrite failed');
    });
  }

  it('stays as it was when the model is silent, whose call ends', async () => {
    suite.double.fault({ kind: 'stall' });
    const own = { limits: { ...limits, rewriteTimeoutMs: 50 } };
    expect(await rewrite(undefined, own)).to.deep.equal({ question });
    await eventually(() => suite.double.calls.every(({ aborted }) => aborted));
  });

  it('is nobody’s any more when its caller has left', async () => {
    suite.double.fault({ kind: 'stall' });
    const caller = new AbortController();
    const rewriting = rewrite(caller.signal).catch((error: unknown) => AppError.from(error).reason);
    await eventually(() => suite.double.calls.length === 1);
    caller.abort(new AppError('DEADLINE_EXCEEDED'));
    expect(await rewriting).to.equal('DEADLINE_EXCEEDED');
    await eventually(() => suite.double.calls[0]?.aborted === true);
  });
});
