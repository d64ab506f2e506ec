import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { testAwsRegion } from '@wardstone/testing/aws';
import type { ModelEvent } from '../src/ports.ts';
import { answeredInPieces, brokenStream, fast, input, longMs, quality, readAll, useClaude } from './support/claude.ts';

describe('Claude: another model or region', () => {
  const suite = useClaude();
  const claude = () => suite.claude({ routes: [suite.route(quality), suite.route(fast)] });
  const models = () => suite.double.calls.map(({ model }) => model);
  const usages = (events: readonly ModelEvent[]) =>
    events.flatMap((event) => (event.kind === 'usage' ? [event.usage.modelId] : []));

  beforeEach(() => suite.double.onConverse(answeredInPieces));

  it('is asked when the first one is away', async () => {
    suite.double.fault({ kind: 'error', type: 'ServiceUnavailableException' }, { model: quality.id });
    const { events, error } = await readAll(claude(), input);
    expect(error).to.equal(undefined);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'answered' });
    expect(models()).to.deep.equal([quality.id, quality.id, quality.id, fast.id]);
    expect(usages(events)).to.deep.equal([fast.id]);
    expect(suite.told).to.contain(`fallback ${fast.label} ${testAwsRegion}`);
  });

  for (const type of ['AccessDeniedException', 'ResourceNotFoundException', 'ServiceQuotaExceededException'] as const) {
    it(`is asked at once after ${type}`, async () => {
      suite.double.fault({ kind: 'error', type }, { model: quality.id });
      const { error } = await readAll(claude(), input);
      expect(error).to.equal(undefined);
      expect(models()).to.deep.equal([quality.id, fast.id]);
    });
  }

  it('is asked when the first one breaks off before its first statement, and both are paid', async () => {
    suite.double.fault({ kind: 'end-after', afterFrames: 1 }, { model: quality.id });
    const { events } = await readAll(claude(), input);
    expect(models()).to.deep.equal([quality.id, fast.id]);
    expect(usages(events)).to.deep.equal([quality.id, fast.id]);
    expect(events.filter(({ kind }) => kind === 'statement')).to.have.length(2);
  });

  it('is not asked once anything was told', async () => {
    const { script, onEvent } = brokenStream();
    suite.double.onConverse(script);
    suite.double.fault({ kind: 'end-after', afterFrames: brokenStream.framesBeforeFault }, { model: quality.id });
    const { error } = await readAll(claude(), input, undefined, onEvent);
    expect(AppError.from(error).reason).to.equal('MODEL_STREAM_BROKEN');
    expect(models()).to.deep.equal([quality.id]);
  });

  for (const type of ['ValidationException', 'ExpiredTokenException'] as const) {
    it(`is not asked after ${type}, which it would give as well`, async () => {
      suite.double.fault({ kind: 'error', type }, { model: quality.id });
      const { error } = await readAll(claude(), input);
      expect(AppError.from(error).reason).to.equal(
        type === 'ValidationException' ? 'MODEL_INPUT_INVALID' : 'CREDENTIALS_EXPIRED',
      );
      expect(models()).to.deep.equal([quality.id]);
    });
  }

  it('says the last failure when all fail', async () => {
    suite.double.fault({ kind: 'error', type: 'ServiceUnavailableException' }, { model: quality.id });
    suite.double.fault({ kind: 'error', type: 'ThrottlingException' }, { model: fast.id });
    const { events, error } = await readAll(claude(), input);
    expect(AppError.from(error).reason).to.equal('MODEL_THROTTLED');
    expect(events).to.deep.equal([]);
    expect(models()).to.have.length(6);
  });

  it('is asked at once while the circuit of the first one is open', async () => {
    const circuit = { minAttempts: 3, firstOpenMs: longMs, maxOpenMs: longMs };
    const own = suite.claude({ routes: [suite.route(quality, { circuit }), suite.route(fast)] });
    suite.double.fault({ kind: 'error', type: 'ServiceUnavailableException' }, { model: quality.id });
    await readAll(own, input);
    suite.double.forgetCalls();
    const { events } = await readAll(own, input);
    expect(models()).to.deep.equal([fast.id]);
    expect(events.at(-1)).to.deep.equal({ kind: 'done', outcome: 'answered' });
  });
});
