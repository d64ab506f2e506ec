import { RerankCommand } from '@aws-sdk/client-bedrock-agent-runtime';
import { ConverseCommand, InvokeModelCommand } from '@aws-sdk/client-bedrock-runtime';
import { Code } from '@connectrpc/connect';
import { isTransient, type AppError, type Reason } from '@wardstone/rpc';
import { bedrockErrors, type BedrockErrorType, type BedrockFault } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import { askedPauseMs, bedrockError, inBedrock, modelJson, openConverseStream } from '../src/bedrock/index.ts';
import { longMs, question, refusalOf, titan, useBedrock, type BedrockSuite } from './bedrock-suite.ts';

type Expected = readonly [reason: Reason, code: Code, status: number, transient: boolean];

const unavailable: Expected = ['MODEL_UNAVAILABLE', Code.Unavailable, 503, true];
const throttled: Expected = ['MODEL_THROTTLED', Code.Unavailable, 503, true];
const brokenOff: Expected = ['MODEL_STREAM_BROKEN', Code.Unavailable, 503, true];
const tooLate: Expected = ['MODEL_TIMEOUT', Code.DeadlineExceeded, 504, true];
const usedUp: Expected = ['MODEL_QUOTA_EXCEEDED', Code.Unavailable, 503, true];
const notTaken: Expected = ['MODEL_INPUT_INVALID', Code.InvalidArgument, 422, false];
const denied: Expected = ['MODEL_ACCESS_DENIED', Code.Internal, 500, false];
const notThere: Expected = ['MODEL_NOT_FOUND', Code.Internal, 500, false];
const ofOurs: Expected = ['INTERNAL', Code.Internal, 500, false];

/** As the API reference and the user guide's page on error codes have them. */
const ofTheReference: Readonly<Record<BedrockErrorType, Expected>> = {
  AccessDeniedException: denied,
  BadGatewayException: unavailable,
  ConflictException: unavailable,
  DependencyFailedException: unavailable,
  InternalServerException: unavailable,
  ModelErrorException: unavailable,
  ModelNotReadyException: unavailable,
  ModelStreamErrorException: brokenOff,
  ModelTimeoutException: tooLate,
  ResourceNotFoundException: notThere,
  ServiceQuotaExceededException: usedUp,
  ServiceUnavailableException: unavailable,
  ThrottlingException: throttled,
  ValidationException: notTaken,
  ExpiredTokenException: ['CREDENTIALS_EXPIRED', Code.Internal, 500, false],
  IncompleteSignatureException: denied,
  InvalidSignatureException: denied,
  MissingAuthenticationTokenException: denied,
  RequestEntityTooLargeException: notTaken,
  UnknownOperationException: ofOurs,
  UnrecognizedClientException: denied,
};

/** The same name, and what only its message tells. */
const byMessage: readonly [BedrockErrorType, string, Expected][] = [
  ['ThrottlingException', 'Too many tokens per day, please wait before trying again.', usedUp],
  ['ThrottlingException', 'Too many requests, please wait before trying again.', throttled],
  ['ValidationException', 'The provided model identifier is invalid.', notThere],
  [
    'ValidationException',
    'Invocation of model ID x with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model.',
    notThere,
  ],
  ['ValidationException', 'Input is too long for requested model.', notTaken],
  [
    'InvalidSignatureException',
    'Signature expired: 20261101T000000Z is now earlier than …',
    ['CLOCK_SKEW', Code.Internal, 500, false],
  ],
];

const onTheWay: readonly [BedrockFault, Expected][] = [
  [{ kind: 'cut' }, unavailable],
  [{ kind: 'gateway-page', status: 502 }, unavailable],
  [{ kind: 'gateway-page', status: 429 }, throttled],
  [{ kind: 'gateway-page', status: 403 }, denied],
];

const inItsMiddle: readonly BedrockFault[] = [
  { kind: 'cut-after', afterFrames: 2 },
  { kind: 'reset-after', afterFrames: 2 },
  { kind: 'end-after', afterFrames: 2 },
];

const ofTheStream: readonly [BedrockFault, Expected][] = [
  [{ kind: 'exception-after', afterFrames: 2, type: 'internalServerException' }, unavailable],
  [{ kind: 'exception-after', afterFrames: 2, type: 'serviceUnavailableException' }, unavailable],
  [{ kind: 'exception-after', afterFrames: 2, type: 'throttlingException' }, throttled],
  [{ kind: 'exception-after', afterFrames: 2, type: 'modelStreamErrorException' }, brokenOff],
  [{ kind: 'exception-after', afterFrames: 2, type: 'modelTimeoutException' }, tooLate],
  [{ kind: 'exception-after', afterFrames: 2, type: 'validationException' }, notTaken],
  [{ kind: 'bad-checksum-after', afterFrames: 2 }, brokenOff],
  [{ kind: 'half-frame-after', afterFrames: 2 }, brokenOff],
  [{ kind: 'error-frame-after', afterFrames: 2, code: 'SomethingElse', message: 'no' }, brokenOff],
  [{ kind: 'error-frame-after', afterFrames: 2, code: 'ThrottlingException', message: 'no' }, throttled],
];

const operations: readonly [string, (suite: Readonly<BedrockSuite>, signal: AbortSignal) => Promise<unknown>][] = [
  [
    'InvokeModel',
    async ({ runtime }, abortSignal) => {
      const command = new InvokeModelCommand({ modelId: titan, body: JSON.stringify({ inputText: 'knee' }) });
      return modelJson((await runtime.send(command, { abortSignal })).body);
    },
  ],
  ['Converse', ({ runtime }, abortSignal) => runtime.send(new ConverseCommand(question), { abortSignal })],
  [
    'Rerank',
    ({ agents, double }, abortSignal) => agents.send(new RerankCommand(ranking(double.region)), { abortSignal }),
  ],
  [
    'ConverseStream',
    async ({ runtime }, signal) => {
      const bounds = { signal, firstEventTimeoutMs: longMs, idleTimeoutMs: longMs };
      for await (const _ of await openConverseStream(runtime, question, bounds));
    },
  ],
];

function ranking(region: string): ConstructorParameters<typeof RerankCommand>[0] {
  const modelArn = `arn:aws:bedrock:${region}::foundation-model/cohere.rerank-v3-5:0`;
  return {
    queries: [{ type: 'TEXT', textQuery: { text: 'knee' } }],
    sources: [{ type: 'INLINE', inlineDocumentSource: { type: 'TEXT', textDocument: { text: 'knee' } } }],
    rerankingConfiguration: {
      type: 'BEDROCK_RERANKING_MODEL',
      bedrockRerankingConfiguration: { modelConfiguration: { modelArn } },
    },
  };
}

describe('errors of Bedrock on the wire', () => {
  const suite = useBedrock();

  async function failing(call: (typeof operations)[number][1], fault: BedrockFault): Promise<AppError> {
    suite.double.fault(fault);
    const bounds = { signal: new AbortController().signal, timeoutMs: longMs };
    return refusalOf(inBedrock((signal) => call(suite, signal), bounds));
  }

  function expectIs(error: AppError, [reason, code, status, transient]: Expected): void {
    expect({ reason: error.reason, code: error.code, status: error.status }).to.deep.equal({ reason, code, status });
    expect(isTransient(error.reason)).to.equal(transient);
    expect(suite.double.calls, 'calls').to.have.length(1);
  }

  for (const [operation, call] of operations) {
    describe(`to ${operation}`, () => {
      for (const type of Object.keys(bedrockErrors) as BedrockErrorType[]) {
        it(`${type} is ${ofTheReference[type][0]}`, async () => {
          expectIs(await failing(call, { kind: 'error', type }), ofTheReference[type]);
        });
      }
      for (const [type, message, expected] of byMessage) {
        it(`${type} with “${message.slice(0, 40)}…” is ${expected[0]}`, async () => {
          expectIs(await failing(call, { kind: 'error', type, message }), expected);
        });
      }
      for (const [fault, expected] of onTheWay) {
        it(`${JSON.stringify(fault)} is ${expected[0]}`, async () => {
          expectIs(await failing(call, fault), expected);
        });
      }
      for (const fault of inItsMiddle) {
        it(`${JSON.stringify(fault)} is an error, never an answer`, async () => {
          const error = await failing(call, fault);
          expect(error.reason).to.be.oneOf(
            fault.kind === 'cut-after' ? ['MODEL_STREAM_BROKEN', 'MODEL_UNAVAILABLE'] : ['MODEL_STREAM_BROKEN'],
          );
        });
      }
      it('a Retry-After in seconds is said, within bounds', async () => {
        for (const [retryAfterSeconds, expectedMs] of [
          [0, 0],
          [7, 7_000],
          [86_400, 300_000],
        ] as const) {
          const error = await failing(call, { kind: 'error', type: 'ThrottlingException', retryAfterSeconds });
          expect(error.retryAfterMs).to.equal(expectedMs);
          expect(askedPauseMs(error)).to.equal(expectedMs);
          suite.double.clearFaults();
        }
        const silent = await failing(call, { kind: 'error', type: 'ThrottlingException' });
        expect(silent.retryAfterMs).to.equal(2_000);
        expect(askedPauseMs(silent)).to.equal(undefined);
      });
    });
  }

  describe('in a stream', () => {
    const [, call] = operations[3] ?? [];
    for (const [fault, expected] of ofTheStream) {
      it(`${JSON.stringify(fault)} is ${expected[0]}`, async () => {
        if (call === undefined) throw new Error('no operation');
        expectIs(await failing(call, fault), expected);
      });
    }
  });
});

describe('errors of Bedrock without a wire', () => {
  it('keep what is an AppError already', async () => {
    const error = await refusalOf(Promise.reject(bedrockError(new Error('x'))));
    expect(bedrockError(error)).to.equal(error);
  });

  const named = (name: string, more: object = {}): Error => Object.assign(new Error(name), { name }, more);
  const cases: readonly [string, unknown, Reason][] = [
    ['an abort', named('AbortError'), 'CANCELLED'],
    ['an abort by a caller', named('AbortError', { cause: named('AbortError') }), 'CANCELLED'],
    ['an abort by a deadline', named('AbortError', { cause: named('TimeoutError') }), 'DEADLINE_EXCEEDED'],
    ['a silent connection', named('TimeoutError'), 'MODEL_TIMEOUT'],
    ['a name that is not resolved', named('Error', { code: 'ENOTFOUND' }), 'MODEL_UNAVAILABLE'],
    ['a certificate that is not known', named('Error', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }), 'MODEL_UNAVAILABLE'],
    [
      'a stream without an answer',
      new Error('Unexpected error: http2 request did not get a response'),
      'MODEL_UNAVAILABLE',
    ],
    [
      'a stream that was reset',
      new Error('HTTP/2 stream is abnormally aborted in mid-communication'),
      'MODEL_UNAVAILABLE',
    ],
    ['no credentials', named('CredentialsProviderError'), 'MODEL_UNAVAILABLE'],
    ['a model that refuses', named('ModelErrorException', { originalStatusCode: 400 }), 'MODEL_INPUT_INVALID'],
    ['a model that throttles', named('ModelErrorException', { originalStatusCode: 429 }), 'MODEL_THROTTLED'],
    ['a model that fails', named('ModelStreamErrorException', { originalStatusCode: 500 }), 'MODEL_STREAM_BROKEN'],
    ['a fault of the program', new TypeError('x is undefined'), 'INTERNAL'],
    ['what is no error', 'x', 'INTERNAL'],
  ];
  for (const [title, cause, reason] of cases) {
    it(`${title} is ${reason}`, () => {
      expect(bedrockError(cause).reason).to.equal(reason);
    });
  }

  it('read a Retry-After that is a date', () => {
    const at = (ms: number): object => ({
      $response: { headers: { 'retry-after': new Date(Date.now() + ms).toUTCString() } },
      $metadata: { httpStatusCode: 429 },
    });
    expect(bedrockError(named('ThrottlingException', at(-10_000))).retryAfterMs).to.equal(0);
    expect(bedrockError(named('ThrottlingException', at(120_000))).retryAfterMs).to.be.within(1, 120_000);
  });
});
