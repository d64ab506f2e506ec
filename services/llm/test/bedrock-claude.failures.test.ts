import { expect } from 'chai';
import { AppError, type Reason } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { type BedrockErrorType, type BedrockFault, textAnswer } from '@wardstone/testing/bedrock';
import type { Allow } from '../src/ports.ts';
import {
  answeredInPieces,
  brokenStream,
  input,
  limits,
  line as answeredLine,
  quality,
  readAll,
  statement,
  useClaude,
} from './support/claude.ts';

/** What comes of an error before anything came: its reason, its status, and how often Bedrock was asked. */
const beforeAnything: readonly [BedrockErrorType, Reason, number, number][] = [
  ['ThrottlingException', 'MODEL_THROTTLED', 503, 3],
  ['ServiceUnavailableException', 'MODEL_UNAVAILABLE', 503, 3],
  ['InternalServerException', 'MODEL_UNAVAILABLE', 503, 3],
  ['BadGatewayException', 'MODEL_UNAVAILABLE', 503, 3],
  ['ModelNotReadyException', 'MODEL_UNAVAILABLE', 503, 3],
  ['ModelErrorException', 'MODEL_UNAVAILABLE', 503, 3],
  ['ModelStreamErrorException', 'MODEL_STREAM_BROKEN', 503, 3],
  ['ModelTimeoutException', 'MODEL_TIMEOUT', 504, 3],
  ['ServiceQuotaExceededException', 'MODEL_QUOTA_EXCEEDED', 503, 1],
  ['ValidationException', 'MODEL_INPUT_INVALID', 422, 1],
  ['RequestEntityTooLargeException', 'MODEL_INPUT_INVALID', 422, 1],
  ['ResourceNotFoundException', 'MODEL_NOT_FOUND', 500, 1],
  ['AccessDeniedException', 'MODEL_ACCESS_DENIED', 500, 1],
  ['UnrecognizedClientException', 'MODEL_ACCESS_DENIED', 500, 1],
  ['ExpiredTokenException', 'CREDENTIALS_EXPIRED', 500, 1],
];

/** After these the prompt may have been read, and is paid for. */
const wasRead: ReadonlySet<Reason> = new Set<Reason>(['MODEL_TIMEOUT', 'MODEL_STREAM_BROKEN']);

const afterFrames = brokenStream.framesBeforeFault;
const inTheMiddle: readonly [BedrockFault, Reason][] = [
  [{ kind: 'exception-after', afterFrames, type: 'internalServerException' }, 'MODEL_UNAVAILABLE'],
  [{ kind: 'exception-after', afterFrames, type: 'serviceUnavailableException' }, 'MODEL_UNAVAILABLE'],
  [{ kind: 'exception-after', afterFrames, type: 'throttlingException' }, 'MODEL_THROTTLED'],
  [{ kind: 'exception-after', afterFrames, type: 'modelStreamErrorException' }, 'MODEL_STREAM_BROKEN'],
  [{ kind: 'exception-after', afterFrames, type: 'modelTimeoutException' }, 'MODEL_TIMEOUT'],
  [{ kind: 'exception-after', afterFrames, type: 'validationException' }, 'MODEL_INPUT_INVALID'],
  [{ kind: 'error-frame-after', afterFrames, code: 'SomethingElse', message: 'no' }, 'MODEL_STREAM_BROKEN'],
  [{ kind: 'error-frame-after', afterFrames, code: 'ThrottlingException', message: 'no' }, 'MODEL_THROTTLED'],
  [{ kind: 'cut-after', afterFrames }, 'MODEL_STREAM_BROKEN'],
  [{ kind: 'reset-after', afterFrames }, 'MODEL_STREAM_BROKEN'],
  [{ kind: 'end-after', afterFrames }, 'MODEL_STREAM_BROKEN'],
  [{ kind: 'bad-checksum-after', afterFrames }, 'MODEL_STREAM_BROKEN'],
  [{ kind: 'half-frame-after', afterFrames }, 'MODEL_STREAM_BROKEN'],
];

const nameOf = (fault: BedrockFault): string =>
  [fault.kind, 'type' in fault ? fault.type : '', 'code' in fault ? fault.code : ''].filter(Boolean).join(' ');

describe('Claude: failures before anything came', () => {
  const suite = useClaude();

  for (const [type, reason, status, attempts] of beforeAnything) {
    it(`${type} is ${reason} after ${String(attempts)} of its attempts`, async () => {
      suite.double.fault({ kind: 'error', type });
      const { events, error } = await readAll(suite.claude(), input);
      expect(AppError.from(error)).to.include({ reason, status });
      expect(events.map(({ kind }) => kind)).to.deep.equal(wasRead.has(reason) ? ['usage'] : []);
      expect(suite.double.calls).to.have.length(attempts);
      expect(suite.told.at(-1)).to.equal(`answer ${quality.label} ${reason}`);
    });
  }

  for (const fault of [
    { kind: 'error', type: 'ThrottlingException' },
    { kind: 'cut' },
    { kind: 'gateway-page', status: 502 },
    { kind: 'exception-after', afterFrames: 0, type: 'serviceUnavailableException' },
    { kind: 'end-after', afterFrames: 0 },
  ] as const satisfies readonly BedrockFault[]) {
    it(`asks again after ${nameOf(fault)}, and answers`, async () => {
      suite.double.fault(fault, { next: 2 });
      const { events, error } = await readAll(suite.claude(), input);
      expect(error).to.equal(undefined);
      const untold = fault.kind === 'end-after' ? (['usage'] as const) : [];
      expect(events.map(({ kind }) => kind)).to.deep.equal(['statement', 'usage', ...untold, 'done']);
      expect(suite.double.calls).to.have.length(3);
      expect(suite.told).to.deep.equal([`began ${quality.label}`, `answer ${quality.label} ok`]);
    });
  }

  for (const fault of [{ kind: 'stall' }, { kind: 'stall-after', afterFrames: 0 }] as const) {
    it(`gives up each attempt of a model that is silent (${fault.kind})`, async () => {
      suite.double.fault(fault);
      const claude = suite.claude({ limits: { ...limits, firstTokenTimeoutMs: 50 } });
      const { events, error } = await readAll(claude, input);
      expect(AppError.from(error)).to.include({ reason: 'MODEL_TIMEOUT', status: 504 });
      expect(events.map(({ kind }) => kind)).to.deep.equal(['usage']);
      await eventually(() => suite.double.calls.length === 3 && suite.double.calls.every(({ aborted }) => aborted));
    });
  }

  it('pays for the prompt of each attempt that took too long, also when a later one answers', async () => {
    suite.double.onConverse(answeredInPieces);
    const promptOf = async (timeouts: number): Promise<number> => {
      suite.double.fault({ kind: 'error', type: 'ModelTimeoutException' }, { next: timeouts });
      const { events, error } = await readAll(suite.claude(), input);
      expect(error).to.equal(undefined);
      const usages = events.flatMap((event) => (event.kind === 'usage' ? [event.usage] : []));
      return usages.reduce((sum, usage) => sum + usage.inputTokens, 0);
    };
    const [none, one, two] = [await promptOf(0), await promptOf(1), await promptOf(2)];
    expect(one - none).to.be.greaterThan(0);
    expect(two - one).to.equal(one - none);
  });

  it('is allowed attempt by attempt, each beside the prompts before it; what is not allowed is not asked', async () => {
    suite.double.fault({ kind: 'error', type: 'ModelTimeoutException' });
    const claude = suite.claude();
    const allowed: number[] = [];
    const allow: Allow = (microUsd) => {
      allowed.push(microUsd);
      return allowed.length < 3 ? Promise.resolve() : Promise.reject(new AppError('BUDGET_EXCEEDED'));
    };
    const { events, error } = await readAll(claude, { ...input, allow });
    expect(AppError.from(error).reason).to.equal('BUDGET_EXCEEDED');
    expect(suite.double.calls).to.have.length(2);
    const [usage] = events.map((event) => (event.kind === 'usage' ? event.usage : undefined));
    const [first = NaN, second = NaN, third = NaN] = allowed;
    expect(first).to.be.at.most(claude.maxMicroUsd(input));
    expect(second - first).to.equal(third - second);
    expect(third - first).to.be.at.least(usage?.costMicroUsd ?? NaN);
  });

  it('costs no more than it may at most, however much it writes', async () => {
    const { maxOutputTokens } = quality;
    const usage = { inputTokens: 500, outputTokens: maxOutputTokens, totalTokens: 500 + maxOutputTokens };
    suite.double.onConverse(() => textAnswer(answeredLine, { usage }));
    const claude = suite.claude();
    const { events } = await readAll(claude, input);
    const usages = events.flatMap((event) => (event.kind === 'usage' ? [event.usage] : []));
    expect(usages.map(({ outputTokens }) => outputTokens)).to.deep.equal([maxOutputTokens]);
    const cost = usages.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0);
    expect(cost).to.be.at.most(claude.maxMicroUsd(input));
    expect(claude.maxMicroUsd(input)).to.be.at.most(1.2 * cost);
  });
});

describe('Claude: failures in the middle of an answer', () => {
  const suite = useClaude();

  for (const [fault, reason] of inTheMiddle) {
    it(`${nameOf(fault)} is ${reason}; what was told stays, and is paid for`, async () => {
      const { script, onEvent } = brokenStream();
      suite.double.onConverse(script);
      suite.double.fault(fault);
      const { events, error } = await readAll(suite.claude(), input, undefined, onEvent);
      expect(AppError.from(error).reason).to.be.oneOf(
        // Which of the two a reset connection is, is up to what the operating system tells first.
        fault.kind === 'cut-after' ? [reason, 'MODEL_UNAVAILABLE'] : [reason],
      );
      expect(events.map(({ kind }) => kind)).to.deep.equal(['statement', 'usage']);
      expect(events[0]).to.deep.equal(statement);
      const usage = events.find((event) => event.kind === 'usage')?.usage;
      expect(usage?.modelId).to.equal(quality.id);
      for (const tokens of [usage?.inputTokens, usage?.outputTokens, usage?.costMicroUsd]) {
        expect(tokens).to.be.greaterThan(0);
      }
      expect(suite.double.calls).to.have.length(1);
    });
  }

  it('a silence is MODEL_TIMEOUT, and ends the call', async () => {
    const { script, onEvent } = brokenStream();
    suite.double.onConverse(script);
    suite.double.fault({ kind: 'stall-after', afterFrames });
    const claude = suite.claude({ limits: { ...limits, stallTimeoutMs: 500 } });
    const { events, error } = await readAll(claude, input, undefined, onEvent);
    expect(AppError.from(error).reason).to.equal('MODEL_TIMEOUT');
    expect(events.map(({ kind }) => kind)).to.deep.equal(['statement', 'usage']);
    await eventually(() => suite.double.calls.length === 1 && suite.double.calls[0]?.aborted === true);
  });

  it('estimates upwards what an answer used that broke off', async () => {
    suite.double.onConverse(answeredInPieces);
    const whole = await readAll(suite.claude(), input);
    suite.double.fault({ kind: 'end-after', afterFrames });
    const broken = await readAll(suite.claude(), input);
    const [counted, estimated] = [whole, broken].map(
      ({ events }) => events.find((event) => event.kind === 'usage')?.usage,
    );
    const prompt = (counted?.inputTokens ?? 0) + (counted?.cacheReadTokens ?? 0) + (counted?.cacheWriteTokens ?? 0);
    expect(estimated?.inputTokens).to.be.at.least(prompt);
  });

  it('an event that is not known changes nothing', async () => {
    suite.double.onConverse(answeredInPieces);
    const { events: expected } = await readAll(suite.claude(), input);
    suite.double.fault({ kind: 'unknown-event-after', afterFrames });
    const { events, error } = await readAll(suite.claude(), input);
    expect(error).to.equal(undefined);
    const withoutUsage = (all: typeof events) => all.filter(({ kind }) => kind !== 'usage');
    expect(withoutUsage(events)).to.deep.equal(withoutUsage(expected));
  });
});

/** Of callers who do not wait for long; more than the double takes to begin. */
const hastyMs = 1_000;

describe('Claude: bounds', () => {
  const suite = useClaude();
  const aborted = () =>
    eventually(() => suite.double.calls.length === 1 && suite.double.calls[0]?.aborted === true, {
      description: 'Bedrock has seen the call end',
    });

  for (const [title, fault] of [
    ['before its first token', { kind: 'stall' }],
    ['in its middle', { kind: 'stall-after', afterFrames }],
  ] as const) {
    it(`an answer has a total time, which ends it ${title}`, async () => {
      suite.double.onConverse(answeredInPieces);
      suite.double.fault(fault);
      const { error } = await readAll(suite.claude({ limits: { ...limits, answerTimeoutMs: 300 } }), input);
      expect(AppError.from(error).reason).to.equal('MODEL_TIMEOUT');
      await aborted();
    });
  }

  it('ends before its caller stops waiting, and says why', async () => {
    suite.double.fault({ kind: 'stall' });
    const caller = new AbortController();
    const timer = setTimeout(() => caller.abort(new AppError('DEADLINE_EXCEEDED')), 400);
    const asked = { ...input, waitsUntilMs: performance.now() + 400 };
    const { error } = await readAll(suite.claude(), asked, caller.signal);
    clearTimeout(timer);
    expect(AppError.from(error).reason).to.equal('DEADLINE_EXCEEDED');
    await aborted();
  });

  for (const [title, fault] of [
    ['nothing', { kind: 'stall' }],
    ['half an answer', { kind: 'stall-after', afterFrames }],
  ] as const) {
    it(`callers who wait for a moment only, and get ${title}, leave the circuit to the others as it was`, async () => {
      const route = suite.route();
      const claude = suite.claude({ routes: [route] });
      suite.double.onConverse(answeredInPieces);
      const mend = suite.double.fault(fault);
      const reasons = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const { error } = await readAll(claude, { ...input, waitsUntilMs: performance.now() + hastyMs });
          return AppError.from(error).reason;
        }),
      );
      expect([new Set(reasons), route.guard.circuit()]).to.deep.equal([new Set(['DEADLINE_EXCEEDED']), 'closed']);
      mend();
      expect((await readAll(claude, input)).error).to.equal(undefined);
    });
  }

  it('callers who wait for a moment only leave the circuit as it was when the guardrail is silent', async () => {
    const route = suite.route();
    const guardrail = { id: 'abc123', version: '1' };
    const claude = suite.claude({ routes: [route], guardrail, guardrailCheck: 'whole' });
    suite.double.fault({ kind: 'stall' }, { operation: 'ApplyGuardrail' });
    const ended = await Promise.all(
      Array.from({ length: 20 }, async () => readAll(claude, { ...input, waitsUntilMs: performance.now() + hastyMs })),
    );
    const reasons = new Set(ended.map(({ error }) => AppError.from(error).reason));
    expect([reasons, route.guard.circuit()]).to.deep.equal([new Set(['DEADLINE_EXCEEDED']), 'closed']);
  });

  it('readers who do not read until the time is over leave the circuit as it was: the model was fine', async () => {
    const route = suite.route();
    const claude = suite.claude({ routes: [route], limits: { ...limits, answerTimeoutMs: 1_500 } });
    suite.double.onConverse(answeredInPieces);
    suite.double.fault({ kind: 'stall-after', afterFrames });
    const reasons = await Promise.all(
      Array.from({ length: 12 }, async () => {
        try {
          for await (const event of claude.answer(input, new AbortController().signal)) {
            if (event.kind !== 'statement') continue;
            await eventually(
              () => suite.double.calls.length === 12 && suite.double.calls.every((call) => call.aborted),
            );
          }
          return 'none';
        } catch (error) {
          return AppError.from(error).reason;
        }
      }),
    );
    expect([new Set(reasons), route.guard.circuit()]).to.deep.equal([new Set(['DEADLINE_EXCEEDED']), 'closed']);
  });

  it('a caller who leaves in the middle ends the call, and pays for what was written', async () => {
    const caller = new AbortController();
    suite.double.onConverse(answeredInPieces);
    suite.double.fault({ kind: 'stall-after', afterFrames });
    const { events, error } = await readAll(suite.claude(), input, caller.signal, () => caller.abort());
    expect(AppError.from(error).reason).to.equal('CANCELLED');
    expect(events.map(({ kind }) => kind)).to.deep.equal(['statement', 'usage']);
    await aborted();
  });

  it('a caller who leaves before the first token ends the call, and pays for the prompt', async () => {
    const caller = new AbortController();
    suite.double.fault({ kind: 'stall' });
    const reading = readAll(suite.claude(), input, caller.signal);
    await eventually(() => suite.double.calls.length === 1);
    caller.abort(new AppError('CANCELLED'));
    const { events, error } = await reading;
    expect(AppError.from(error).reason).to.equal('CANCELLED');
    const usage = events.map((event) => (event.kind === 'usage' ? event.usage : undefined));
    expect(usage).to.have.length(1);
    expect(usage[0]?.inputTokens).to.be.greaterThan(0);
    expect(usage[0]?.outputTokens).to.equal(0);
    await aborted();
  });

  it('a reader who leaves off ends the call', async () => {
    suite.double.onConverse(answeredInPieces);
    suite.double.fault({ kind: 'stall-after', afterFrames });
    for await (const event of suite.claude().answer(input, new AbortController().signal)) {
      if (event.kind === 'statement') break;
    }
    await aborted();
  });
});
