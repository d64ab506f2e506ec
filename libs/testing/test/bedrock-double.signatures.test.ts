import { BedrockRuntimeClient, ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import type { HttpRequest } from '@smithy/core/protocols';
import { expect } from 'chai';
import { testAwsRegion } from '../src/aws.ts';
import { startBedrockDouble, type BedrockDouble, type BedrockDoubleOptions } from '../src/bedrock/index.ts';
import { eventually } from '../src/eventually.ts';
import { asking, embed, everyOperation, failureOf, stream, useDouble } from './bedrock-clients.ts';

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
const tenMinutesMs = 10 * 60_000;

describe('the Bedrock double: signatures', () => {
  let double: BedrockDouble;
  const clients: BedrockRuntimeClient[] = [];
  const start = async (options: BedrockDoubleOptions = {}): Promise<void> => {
    double = await startBedrockDouble({ credentials, ...options });
  };
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await double.close();
  });

  function client(overrides: object = {}): BedrockRuntimeClient {
    const settings = { region: testAwsRegion, endpoint: double.endpoint, maxAttempts: 1, credentials };
    const made = new BedrockRuntimeClient({ ...settings, ...overrides });
    clients.push(made);
    return made;
  }

  /** A client whose requests are altered on the way, after they are signed. */
  function altered(alter: (request: HttpRequest) => void): BedrockRuntimeClient {
    const made = client();
    const { requestHandler } = made.config;
    const handle = requestHandler.handle.bind(requestHandler);
    requestHandler.handle = (request, options) => {
      alter(request as HttpRequest);
      return handle(request, options);
    };
    return made;
  }

  const ask = (by: BedrockRuntimeClient): Promise<unknown> => by.send(new ConverseCommand(asking('knee')));

  it('that are good let calls through', async () => {
    await start();
    await ask(client());
    expect(double.calls[0]?.status).to.equal(200);
  });

  it('of a session are good with its token alone', async () => {
    await start({ credentials: { ...credentials, sessionToken: 'token' } });
    await ask(client({ credentials: { ...credentials, sessionToken: 'token' } }));
    for (const sessionToken of [undefined, 'another']) {
      const failure = await failureOf(ask(client({ credentials: { ...credentials, sessionToken } })));
      expect(failure.name).to.equal('UnrecognizedClientException');
    }
  });

  const refused: [string, () => BedrockRuntimeClient, string, RegExp][] = [
    [
      'a wrong secret',
      () => client({ credentials: { ...credentials, secretAccessKey: 'wrong' } }),
      'InvalidSignatureException',
      /does not match the signature you provided/,
    ],
    [
      'an unknown key',
      () => client({ credentials: { ...credentials, accessKeyId: 'AKIDOTHER' } }),
      'UnrecognizedClientException',
      /security token included in the request is invalid/,
    ],
    ['another region', () => client({ region: 'eu-west-1' }), 'InvalidSignatureException', /valid region/],
    [
      'an altered body',
      () => altered((request) => (request.body = Buffer.from(JSON.stringify({ messages: asking('arms').messages })))),
      'InvalidSignatureException',
      /does not match/,
    ],
    [
      'an altered header that is signed',
      () =>
        altered(
          (request) => (request.headers['x-amz-date'] = request.headers['x-amz-date']?.replace(/..Z$/, '59Z') ?? ''),
        ),
      'InvalidSignatureException',
      /does not match/,
    ],
    [
      'an altered path',
      () => altered((request) => (request.path = request.path.replace('claude', 'other'))),
      'InvalidSignatureException',
      /does not match/,
    ],
    [
      'no signature',
      () => altered((request) => Reflect.deleteProperty(request.headers, 'authorization')),
      'MissingAuthenticationTokenException',
      /Missing Authentication Token/,
    ],
    [
      'half a signature',
      () => altered((request) => (request.headers['authorization'] = 'AWS4-HMAC-SHA256 Credential=x')),
      'IncompleteSignatureException',
      /X-Amz-Date/,
    ],
  ];
  for (const [title, by, name, message] of refused) {
    it(`refuse ${title}`, async () => {
      await start();
      const failure = await failureOf(ask(by()));
      expect(failure.name).to.equal(name);
      expect(failure.message).to.match(message);
      expect(failure.$metadata?.httpStatusCode).to.equal(403);
      expect(double.calls[0]).to.include({ status: 403, error: name });
    });
  }

  for (const [title, clockAheadMs, message] of [
    [
      'slow',
      tenMinutesMs,
      /^Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)$/,
    ],
    ['fast', -tenMinutesMs, /^Signature not yet current: /],
  ] as const) {
    it(`refuse a clock that is ${title}, which the client then corrects`, async () => {
      await start({ clockAheadMs });
      const by = client();
      const failure = await failureOf(ask(by));
      expect(failure.name).to.equal('InvalidSignatureException');
      expect(failure.message).to.match(message);
      await ask(by);
    });
  }
});

describe('the Bedrock double: bounds and delays', () => {
  const bounded = useDouble({ maxBodyBytes: 1_000, maxCalls: 2 });

  it('refuses a body that is too long', async () => {
    await embed(bounded, 'x'.repeat(900));
    const failure = await failureOf(embed(bounded, 'x'.repeat(1_000)));
    expect(failure.name).to.equal('RequestEntityTooLargeException');
    expect(failure.$metadata?.httpStatusCode).to.equal(413);
  });

  it('keeps the latest calls', async () => {
    for (const text of ['one', 'two', 'three']) await embed(bounded, text);
    expect(bounded.double.calls.map(({ body }) => body['inputText'])).to.deep.equal(['two', 'three']);
    bounded.double.forgetCalls();
    expect(bounded.double.calls).to.have.length(0);
  });

  const anHourMs = 3_600_000;
  describe('a slow model', () => {
    const slow = useDouble({ perTokenMs: anHourMs });

    it('waits before a delta, and no longer than its client', async () => {
      const abort = new AbortController();
      const left = stream(slow, asking('knee'), { signal: abort.signal });
      await eventually(() => slow.double.calls[0]?.frames === 1, { description: 'the message has begun' });
      abort.abort();
      await left.catch(() => undefined);
      await eventually(() => slow.double.concurrent() === 0, { description: 'the double has seen it leave' });
      expect(slow.double.calls[0]).to.include({ aborted: true, frames: 1 });
    });
  });

  describe('a model that is slow to begin', () => {
    const slow = useDouble({ firstTokenMs: anHourMs });

    for (const [operation, call] of everyOperation) {
      it(`waits before ${operation} is answered`, async () => {
        const abort = new AbortController();
        const failure = failureOf(call(slow, abort.signal));
        await eventually(() => slow.double.concurrent() === 1, { description: 'the call has come' });
        abort.abort();
        expect((await failure).name).to.equal('AbortError');
        await eventually(() => slow.double.concurrent() === 0, { description: 'the double has seen it leave' });
        expect(slow.double.calls[0]).to.include({ aborted: true, status: undefined });
      });
    }
  });

  describe('with models of its own', () => {
    const own = useDouble({ models: ['amazon.titan-embed-text-v2:0'] });

    it('refuses the others', async () => {
      await embed(own, 'knee');
      const failure = await failureOf(stream(own, asking('knee')));
      expect(failure).to.include({ name: 'ValidationException', message: 'The provided model identifier is invalid.' });
    });
  });
});
