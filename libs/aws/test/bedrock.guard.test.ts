import { InvokeModelCommand } from '@aws-sdk/client-bedrock-runtime';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import type { BedrockFault } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import {
  createModelGuard,
  inBedrock,
  type CircuitPosition,
  type ModelGuard,
  type ModelGuardOptions,
} from '../src/bedrock/index.ts';
import { longMs, refusalOf, titan, useBedrock, type BedrockSuite } from './bedrock-suite.ts';

const embedding = new InvokeModelCommand({ modelId: titan, body: JSON.stringify({ inputText: 'knee' }) });
const throttling: BedrockFault = { kind: 'error', type: 'ThrottlingException' };
const away: BedrockFault = { kind: 'error', type: 'ServiceUnavailableException' };
const quick = { firstMs: 1, maxMs: 2 };

function guarded(suite: Readonly<BedrockSuite>, guard: ModelGuard, timeoutMs = longMs): Promise<unknown> {
  const call = { signal: new AbortController().signal, timeoutMs };
  return guard.run(() => inBedrock((abortSignal) => suite.runtime.send(embedding, { abortSignal }), call), call);
}

describe('the guard of a model: repetition', () => {
  const suite = useBedrock();

  for (const fault of [throttling, away, { kind: 'cut' }, { kind: 'error', type: 'ModelTimeoutException' }] as const) {
    it(`repeats after ${'type' in fault ? fault.type : fault.kind}`, async () => {
      suite.double.fault(fault, { next: 2 });
      const retries: string[] = [];
      await guarded(suite, createModelGuard({ delays: quick, onRetry: ({ reason }) => retries.push(reason) }));
      expect(suite.double.calls).to.have.length(3);
      expect(retries).to.have.length(2);
    });
  }

  for (const type of ['ValidationException', 'AccessDeniedException', 'ServiceQuotaExceededException'] as const) {
    it(`does not repeat after ${type}`, async () => {
      suite.double.fault({ kind: 'error', type });
      await refusalOf(guarded(suite, createModelGuard({ delays: quick })));
      expect(suite.double.calls).to.have.length(1);
    });
  }

  it('gives up after its attempts, with the last error', async () => {
    suite.double.fault(throttling);
    const refused = await refusalOf(guarded(suite, createModelGuard({ attempts: 4, delays: quick })));
    expect(refused.reason).to.equal('MODEL_THROTTLED');
    expect(suite.double.calls).to.have.length(4);
  });

  it('has more patience with throttling than with failures, when told so', async () => {
    suite.double.fault(throttling, { next: 4 });
    suite.double.fault(away);
    const guard = createModelGuard({ attempts: 2, throttledAttempts: 8, delays: quick });
    expect((await refusalOf(guarded(suite, guard))).reason).to.equal('MODEL_UNAVAILABLE');
    // Four times throttled, which does not count as a failure, and twice away.
    expect(suite.double.calls).to.have.length(6);
    suite.double.clearFaults();
    suite.double.fault(throttling);
    expect((await refusalOf(guarded(suite, guard))).reason).to.equal('MODEL_THROTTLED');
    expect(suite.double.calls).to.have.length(6 + 8);
  });

  it('waits as long as it is asked to, and not at all when that is beyond the deadline', async () => {
    suite.double.fault({ ...throttling, retryAfterSeconds: 1 }, { next: 1 });
    const pauses: number[] = [];
    const guard = createModelGuard({ delays: quick, onRetry: (_, pauseMs) => pauses.push(pauseMs) });
    await guarded(suite, guard);
    expect(pauses).to.deep.equal([1_000]);
    suite.double.fault({ ...throttling, retryAfterSeconds: 30 });
    const refused = await refusalOf(guarded(suite, guard, 20_000));
    expect(refused).to.include({ reason: 'MODEL_THROTTLED', retryAfterMs: 30_000 });
    expect(pauses).to.have.length(1);
  });
});

describe('the guard of a model: a clock that is off', () => {
  const suite = useBedrock({}, { clockAheadMs: 600_000 });

  it('repeats once the SDK has corrected its clock', async () => {
    await guarded(suite, createModelGuard({ delays: quick }));
    expect(suite.double.calls.map(({ status }) => status)).to.deep.equal([403, 200]);
  });
});

describe('the guard of a model: its circuit', () => {
  const suite = useBedrock();
  const positions: CircuitPosition[] = [];
  beforeEach(() => positions.splice(0));

  function guardWith(circuit: ModelGuardOptions['circuit'] = {}): ModelGuard {
    return createModelGuard({
      attempts: 1,
      delays: quick,
      circuit: { minAttempts: 4, firstOpenMs: longMs, maxOpenMs: longMs, ...circuit },
      onCircuit: (position) => positions.push(position),
    });
  }
  const fail = async (guard: ModelGuard, times: number): Promise<void> => {
    for (let time = 0; time < times; time += 1) await refusalOf(guarded(suite, guard));
  };

  it('opens when the model is away, and then asks it nothing', async () => {
    suite.double.fault(away);
    const guard = guardWith();
    await fail(guard, 4);
    expect(guard.circuit()).to.equal('open');
    expect(guard.refuses()).to.equal(true);
    const refused = await refusalOf(guarded(suite, guard));
    expect(refused).to.include({ reason: 'MODEL_UNAVAILABLE', retryAfterMs: 2_000 });
    expect(suite.double.calls).to.have.length(4);
    expect(positions).to.deep.equal(['open']);
  });

  it('makes no further attempt of a call once it is open', async () => {
    suite.double.fault(away);
    let retries = 0;
    const circuit = { minAttempts: 4, firstOpenMs: longMs };
    const guard = createModelGuard({ attempts: 10, delays: quick, circuit, onRetry: () => (retries += 1) });
    await refusalOf(guarded(suite, guard));
    expect(suite.double.calls).to.have.length(4);
    expect(retries).to.equal(4);
  });

  for (const type of ['ThrottlingException', 'ValidationException', 'AccessDeniedException'] as const) {
    it(`stays closed over ${type}`, async () => {
      suite.double.fault({ kind: 'error', type });
      const guard = guardWith();
      await fail(guard, 12);
      expect(guard.circuit()).to.equal('closed');
    });
  }

  it('stays closed over a few failures, and over a small share of them', async () => {
    const few = guardWith();
    suite.double.fault(away);
    await fail(few, 3);
    expect(few.circuit()).to.equal('closed');
    suite.double.clearFaults();
    const share = guardWith();
    suite.double.fault(away, { share: 0.25 });
    for (let call = 0; call < 16; call += 1) await guarded(suite, share).catch(() => undefined);
    expect(share.circuit()).to.equal('closed');
  });

  it('lets one call through to try, and closes when it succeeds', async () => {
    suite.double.fault(away);
    const guard = guardWith({ firstOpenMs: 1, maxOpenMs: 1 });
    await fail(guard, 4);
    suite.double.clearFaults();
    await eventually(
      () =>
        guarded(suite, guard).then(
          () => true,
          () => false,
        ),
      { description: 'it has been tried' },
    );
    expect(positions).to.deep.equal(['open', 'half-open', 'closed']);
  });

  it('says that it refuses until one may try, and not after that', async () => {
    suite.double.fault(away);
    const guard = guardWith({ firstOpenMs: 1, maxOpenMs: 1 });
    expect(guard.refuses()).to.equal(false);
    await fail(guard, 4);
    await eventually(() => !guard.refuses(), { description: 'one may try' });
    expect(guard.circuit()).to.equal('open');
  });

  it('refuses the others while one tries', async () => {
    suite.double.fault(away);
    const guard = guardWith({ firstOpenMs: 1, maxOpenMs: 1 });
    await fail(guard, 4);
    suite.double.clearFaults();
    suite.double.fault({ kind: 'stall' });
    let trial: Promise<unknown> = Promise.resolve();
    const abort = new AbortController();
    const call = { signal: abort.signal, timeoutMs: longMs };
    await eventually(
      () => {
        trial = guard.run(() => inBedrock((abortSignal) => suite.runtime.send(embedding, { abortSignal }), call), call);
        trial.catch(() => undefined);
        return guard.circuit() === 'half-open';
      },
      { description: 'one is let through' },
    );
    expect((await refusalOf(guarded(suite, guard))).reason).to.equal('MODEL_UNAVAILABLE');
    expect(suite.double.calls.length).to.be.at.most(5);
    abort.abort();
    expect((await refusalOf(trial)).reason).to.equal('CANCELLED');
  });

  for (const [title, end] of [
    [
      'its caller left',
      async (guard: ModelGuard) => {
        suite.double.fault({ kind: 'stall' }, { next: 1 });
        const abort = new AbortController();
        const call = { signal: abort.signal, timeoutMs: longMs };
        const before = suite.double.calls.length;
        const ended = refusalOf(
          guard.run(() => inBedrock((abortSignal) => suite.runtime.send(embedding, { abortSignal }), call), call),
        );
        await eventually(() => suite.double.calls.length > before);
        // Also with a reason that would break the circuit, were it the model's.
        abort.abort(new AppError('MODEL_TIMEOUT'));
        return (await ended).reason;
      },
    ],
    [
      'its input was refused',
      async (guard: ModelGuard) => {
        suite.double.fault({ kind: 'error', type: 'ValidationException' }, { next: 1 });
        return (await refusalOf(guarded(suite, guard))).reason;
      },
    ],
    [
      'it was throttled',
      async (guard: ModelGuard) => {
        suite.double.fault(throttling, { next: 1 });
        return (await refusalOf(guarded(suite, guard))).reason;
      },
    ],
  ] as const) {
    it(`leaves it to the next when ${title}: that says nothing about the model`, async () => {
      suite.double.fault(away);
      const guard = guardWith({ firstOpenMs: 1, maxOpenMs: 1 });
      await fail(guard, 4);
      await eventually(() => !guard.refuses(), { description: 'one may try' });
      suite.double.clearFaults();
      await end(guard);
      expect([guard.circuit(), guard.refuses()]).to.deep.equal(['half-open', false]);
      suite.double.clearFaults();
      await guarded(suite, guard);
      expect(positions).to.deep.equal(['open', 'half-open', 'closed']);
    });
  }

  it('opens again when the trial fails', async () => {
    suite.double.fault(away);
    const guard = guardWith({ firstOpenMs: 1, maxOpenMs: 1 });
    await fail(guard, 4);
    await eventually(
      async () => {
        await refusalOf(guarded(suite, guard));
        return suite.double.calls.length >= 5;
      },
      { description: 'one is let through' },
    );
    expect(positions.slice(0, 3)).to.deep.equal(['open', 'half-open', 'open']);
  });

  it('counts streams that broke off in their middle', async () => {
    const guard = guardWith();
    for (let stream = 0; stream < 4; stream += 1) guard.failed(new AppError('MODEL_STREAM_BROKEN'));
    await eventually(() => guard.circuit() === 'open', { description: 'it has opened' });
    const other = guardWith();
    for (let stream = 0; stream < 12; stream += 1) other.failed(new AppError('CANCELLED'));
    expect(other.circuit()).to.equal('closed');
  });
});
