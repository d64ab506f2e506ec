import { expect } from 'chai';
import { createModelGuard } from '@wardstone/aws/bedrock';
import { AppError, type Reason } from '@wardstone/rpc';
import { Registry } from '@wardstone/telemetry';
import { eventually } from '@wardstone/testing';
import { useTestAwsCredentials } from '@wardstone/testing/aws';
import { bedrockErrors, type BedrockErrorType, type BedrockFault } from '@wardstone/testing/bedrock';
import { createTitanModel } from '../src/adapters/bedrock-titan.ts';
import { createAdaptiveLimit } from '../src/domain/adaptive-limit.ts';
import { createMetrics } from '../src/metrics.ts';
import { openTitanHarness, paidTexts, type TitanHarness } from './support/titan.ts';

const call = { tenantId: 'tenant-a' };

/** What becomes of every error that Bedrock's reference has, and how often it is asked before that is said. */
const expectations: Readonly<Record<BedrockErrorType, readonly [reason: Reason, status: number, attempts: number]>> = {
  AccessDeniedException: ['MODEL_ACCESS_DENIED', 500, 1],
  BadGatewayException: ['MODEL_UNAVAILABLE', 503, 3],
  ConflictException: ['MODEL_UNAVAILABLE', 503, 3],
  DependencyFailedException: ['MODEL_UNAVAILABLE', 503, 3],
  InternalServerException: ['MODEL_UNAVAILABLE', 503, 3],
  ModelErrorException: ['MODEL_UNAVAILABLE', 503, 3],
  ModelNotReadyException: ['MODEL_UNAVAILABLE', 503, 3],
  ModelStreamErrorException: ['MODEL_STREAM_BROKEN', 503, 3],
  ModelTimeoutException: ['MODEL_TIMEOUT', 504, 3],
  ResourceNotFoundException: ['MODEL_NOT_FOUND', 500, 1],
  ServiceQuotaExceededException: ['MODEL_QUOTA_EXCEEDED', 503, 1],
  ServiceUnavailableException: ['MODEL_UNAVAILABLE', 503, 3],
  ThrottlingException: ['MODEL_THROTTLED', 503, 10],
  ValidationException: ['MODEL_INPUT_INVALID', 422, 1],
  ExpiredTokenException: ['CREDENTIALS_EXPIRED', 500, 1],
  IncompleteSignatureException: ['MODEL_ACCESS_DENIED', 500, 1],
  InvalidSignatureException: ['MODEL_ACCESS_DENIED', 500, 1],
  MissingAuthenticationTokenException: ['MODEL_ACCESS_DENIED', 500, 1],
  RequestEntityTooLargeException: ['MODEL_INPUT_INVALID', 422, 1],
  UnknownOperationException: ['INTERNAL', 500, 1],
  UnrecognizedClientException: ['MODEL_ACCESS_DENIED', 500, 1],
};

describe('Titan: errors', () => {
  useTestAwsCredentials();
  let titan: TitanHarness;
  beforeEach(async () => {
    titan = await openTitanHarness();
  });
  afterEach(() => titan.close());

  for (const [name, [reason, status, attempts]] of Object.entries(expectations)) {
    const type = name as BedrockErrorType;
    it(`${name} is ${reason}, ${String(status)}, after ${String(attempts)} at most`, async () => {
      titan.double.fault({ kind: 'error', type });
      const error = await errorOf(titan.model.embed(['a text'], 'query', call));
      expect([error.reason, error.status]).to.deep.equal([reason, status]);
      expect(titan.double.calls.map((one) => one.status)).to.deep.equal(
        Array.from({ length: attempts }, () => bedrockErrors[type]),
      );
    });
  }

  for (const [what, fault, reason] of [
    ['a page of something between', { kind: 'gateway-page', status: 502 }, 'MODEL_UNAVAILABLE'],
    ['an answer that is cut short', { kind: 'broken-json' }, 'MODEL_STREAM_BROKEN'],
    ['a connection that is cut', { kind: 'cut' }, 'MODEL_UNAVAILABLE'],
  ] as const satisfies readonly (readonly [string, BedrockFault, Reason])[]) {
    it(`${what} is ${reason} after three, and forgotten when the next one goes well`, async () => {
      const mend = titan.double.fault(fault);
      expect((await errorOf(titan.model.embed(['a text'], 'query', call))).reason).to.equal(reason);
      expect(titan.double.calls).to.have.length(3);
      mend();
      titan.double.fault(fault, { next: 1 });
      const { vectors } = await titan.model.embed(['another text'], 'query', call);
      expect(vectors).to.have.length(1);
      expect(titan.double.calls).to.have.length(5);
      expect(paidTexts(titan.double)).to.include('another text');
    });
  }

  it('no answer at all is MODEL_TIMEOUT after three', async () => {
    await titan.close();
    titan = await openTitanHarness({ config: { requestTimeoutMs: 500 } });
    titan.double.fault({ kind: 'stall' });
    expect((await errorOf(titan.model.embed(['a text'], 'query', call))).reason).to.equal('MODEL_TIMEOUT');
    expect(titan.double.calls).to.have.length(3);
    await eventually(() => titan.double.concurrent() === 0);
  });

  it('says INTERNAL, once, when the model answers with something else than a vector', async () => {
    for (const embedding of [[1, 2, 3], 'text', Array.from({ length: 1024 }, () => 0)]) {
      titan.double.forgetCalls();
      titan.double.onInvoke(() => ({ body: { embedding, inputTextTokenCount: 1 }, inputTokens: 1 }));
      expect((await errorOf(titan.model.embed(['a text'], 'query', call))).reason).to.equal('INTERNAL');
      expect(titan.double.calls).to.have.length(1);
    }
  });

  it('does not go on after the time of the caller', async () => {
    titan.double.fault({ kind: 'error', type: 'ThrottlingException', retryAfterSeconds: 5 });
    const error = await errorOf(titan.model.embed(['a text'], 'query', { ...call, timeoutMs: 1_000 }));
    expect(error.reason).to.equal('MODEL_THROTTLED');
    expect(titan.double.calls).to.have.length(1);
  });

  it('says why to nobody but the log', async () => {
    titan.double.fault({ kind: 'error', type: 'ValidationException', message: 'the text was: metformin' });
    const error = await errorOf(titan.model.embed(['metformin'], 'query', call));
    expect(error.message).not.to.contain('metformin');
  });
});

describe('Titan: circuit', () => {
  useTestAwsCredentials();
  let titan: TitanHarness;
  const gauge = async () => /^wardstone_embedding_model_circuit (\d)/m.exec(await titan.registry.metrics())?.[1];
  const texts = Array.from({ length: 50 }, (_, index) => `text ${String(index)}`);
  const open = async (firstOpenMs: number) => {
    titan = await openTitanHarness({ circuit: { minAttempts: 6, firstOpenMs, maxOpenMs: firstOpenMs } });
    const mend = titan.double.fault({ kind: 'error', type: 'ServiceUnavailableException' });
    await eventually(async () => {
      await errorOf(titan.model.embed(['a text'], 'query', call));
      return (await gauge()) === '1';
    });
    return mend;
  };
  afterEach(() => titan.close());

  it('opens when the model is away: nothing is asked any more', async () => {
    await open(60_000);
    const asked = titan.double.calls.length;
    expect((await errorOf(titan.model.embed(texts, 'passage', call))).reason).to.equal('MODEL_UNAVAILABLE');
    expect(titan.double.calls).to.have.length(asked);
  });

  it('opens for those, too, that wait for their turn meanwhile', async () => {
    titan = await openTitanHarness({ circuit: { minAttempts: 6, firstOpenMs: 60_000, maxOpenMs: 60_000 } });
    titan.double.fault({ kind: 'error', type: 'ServiceUnavailableException' });
    const errors = await Promise.all(texts.map(async (text) => errorOf(titan.model.embed([text], 'passage', call))));
    expect(new Set(errors.map(({ reason }) => reason))).to.deep.equal(new Set(['MODEL_UNAVAILABLE']));
    // Four at a time until there are six.
    expect(titan.double.calls.length).to.be.at.most(6 + 4);
  });

  it('closes when the model is back', async () => {
    const mend = await open(20);
    mend();
    await eventually(async () => (await titan.model.embed(['a text'], 'query', call)).vectors.length === 1);
    expect(await gauge()).to.equal('0');
    expect((await titan.model.embed(texts, 'passage', call)).vectors).to.have.length(50);
  });

  it('stays closed when callers wait for a moment only, and answers the next one', async () => {
    titan = await openTitanHarness({ circuit: { minAttempts: 6 }, config: { requestTimeoutMs: 60_000 } });
    const mend = titan.double.fault({ kind: 'stall' });
    const hasty = Array.from({ length: 20 }, async () => {
      const caller = new AbortController();
      const timer = setTimeout(() => caller.abort(new AppError('DEADLINE_EXCEEDED')), 200);
      const error = await errorOf(titan.model.embed(['a text'], 'query', { ...call, signal: caller.signal }));
      clearTimeout(timer);
      return error.reason;
    });
    expect(new Set(await Promise.all(hasty))).to.deep.equal(new Set(['DEADLINE_EXCEEDED']));
    expect(await gauge()).to.equal('0');
    mend();
    expect((await titan.model.embed(['a text'], 'query', call)).vectors).to.have.length(1);
  });

  it('stays closed when too many wait here, whose model is there', async () => {
    titan = await openTitanHarness({ circuit: { minAttempts: 6 }, config: { requestTimeoutMs: 60_000 } });
    const mend = titan.double.fault({ kind: 'stall' });
    const caller = new AbortController();
    const waiting = Array.from({ length: 1_100 }, async () =>
      errorOf(titan.model.embed(['a text'], 'passage', { ...call, signal: caller.signal })),
    );
    const other = titan.model.embed(['a text'], 'passage', { tenantId: 'tenant-b' });
    const question = errorOf(titan.model.embed(['a text'], 'query', { ...call, signal: caller.signal }));
    await eventually(() => titan.double.concurrent() === 5);
    expect(await gauge()).to.equal('0');
    mend();
    caller.abort(new AppError('CANCELLED'));
    const reasons = (await Promise.all([...waiting, question])).map(({ reason }) => reason);
    expect(reasons.filter((reason) => reason === 'RATE_LIMITED')).to.have.length(1_100 - 4 - 1_024);
    expect(new Set(reasons)).to.deep.equal(new Set(['CANCELLED', 'RATE_LIMITED']));
    expect((await other).vectors).to.have.length(1);
  });

  it('counts a text that fails once, however many others it ends', async () => {
    titan = await openTitanHarness();
    const guard = createModelGuard({ attempts: 1, circuit: { minAttempts: 6 } });
    const model = createTitanModel({
      ...{ dimensions: 1024, guard, microUsdPer1000Tokens: 20, textTimeoutMs: 60_000 },
      limit: createAdaptiveLimit({ max: 16, initial: 16, maxWaiting: 64, maxWaitingPerTenant: 64 }),
      metrics: createMetrics(new Registry()),
      invoke: async (body, signal) => {
        if (new TextDecoder().decode(body).includes('text 7"')) throw new AppError('MODEL_UNAVAILABLE');
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(AppError.from(signal.reason)), { once: true });
        });
      },
    });
    expect((await errorOf(model.embed(texts, 'passage', call))).reason).to.equal('MODEL_UNAVAILABLE');
    expect(guard.circuit()).to.equal('closed');
  });

  it('stays closed under throttling, which is for the limit to answer', async () => {
    titan = await openTitanHarness({ circuit: { minAttempts: 6 } });
    titan.double.fault({ kind: 'error', type: 'ThrottlingException' }, { next: 40 });
    expect((await titan.model.embed(texts, 'passage', call)).vectors).to.have.length(50);
    expect(await gauge()).to.equal('0');
  });
});

async function errorOf(work: Promise<unknown>): Promise<AppError> {
  return work.then(
    () => expect.fail('it went well'),
    (error: unknown) => AppError.from(error),
  );
}
