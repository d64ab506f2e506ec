import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { ConverseCommand, InvokeModelCommand } from '@aws-sdk/client-bedrock-runtime';
import { textAnswer } from '@wardstone/testing/bedrock';
import { eventually } from '@wardstone/testing';
import { testAwsRegion as region, useTestAwsCredentials } from '@wardstone/testing/aws';
import { expect } from 'chai';
import { createBedrockRuntime, inBedrock, openConverseStream } from '../src/bedrock/index.ts';
import { longMs, question, refusalOf, titan, useBedrock, type BedrockSuite } from './bedrock-suite.ts';

const bounds = { signal: new AbortController().signal, timeoutMs: longMs };
const streamBounds = { signal: bounds.signal, firstEventTimeoutMs: longMs, idleTimeoutMs: longMs };
const embedding = new InvokeModelCommand({ modelId: titan, body: JSON.stringify({ inputText: 'knee' }) });

describe('clients of Bedrock', () => {
  const suite = useBedrock({ maxStreamsPerConnection: 4, maxConnections: 2 });
  const embed = (): Promise<unknown> =>
    inBedrock((abortSignal) => suite.runtime.send(embedding, { abortSignal }), bounds);

  it('share a connection between calls, and open another one when it is full', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    suite.double.onInvoke(async () => {
      await held;
      return { body: {}, inputTokens: 1 };
    });
    await embedAtOnce(4, 1);
    await embedAtOnce(8, 2);
    const refused = await refusalOf(embed());
    expect(refused.reason).to.equal('RATE_LIMITED');
    release();
    await Promise.all(running.splice(0));
    await embed();
    expect(suite.double.connections()).to.equal(2);
  });

  const running: Promise<unknown>[] = [];
  async function embedAtOnce(calls: number, connections: number): Promise<void> {
    while (running.length < calls) running.push(embed());
    await eventually(() => suite.double.concurrent() === calls, {
      description: `${String(calls)} calls are in flight`,
    });
    expect(suite.double.connections()).to.equal(connections);
  }

  it('give connections back when their streams are over', async () => {
    for (let call = 0; call < 5; call += 1) {
      for await (const _ of await openConverseStream(suite.runtime, question, streamBounds));
      await eventually(() => suite.double.concurrent() === 0, { description: 'the stream is over' });
    }
    expect(suite.double.connections()).to.equal(5);
  });

  it('take another connection when theirs is asked to go away', async () => {
    await embed();
    suite.double.fault({ kind: 'go-away' }, { next: 1 });
    await embed();
    await embed();
    await embed();
    expect(suite.double.connections()).to.equal(2);
  });

  it('take another connection when theirs is reset', async () => {
    await embed();
    suite.double.fault({ kind: 'cut' }, { next: 1 });
    expect((await refusalOf(embed())).reason).to.equal('MODEL_UNAVAILABLE');
    await embed();
    expect(suite.double.connections()).to.equal(2);
  });

  it('make one attempt of their own, whatever is to be repeated', async () => {
    suite.double.fault({ kind: 'error', type: 'ThrottlingException' });
    await refusalOf(embed());
    expect(suite.double.calls).to.have.length(1);
  });

  it('say who they are', async () => {
    await embed();
    expect(suite.double.calls[0]?.headers['user-agent']).to.match(/aws-sdk-js.* wardstone-test/);
  });

  it('sign, also where an API key is in the environment', async () => {
    process.env['AWS_BEARER_TOKEN_BEDROCK'] = 'a-long-lived-key';
    try {
      const { endpoint } = suite.double;
      const client = createBedrockRuntime({ region, endpoint, requestTimeoutMs: longMs, userAgent: 'x' });
      await client.send(new ConverseCommand(question));
      client.destroy();
    } finally {
      Reflect.deleteProperty(process.env, 'AWS_BEARER_TOKEN_BEDROCK');
    }
    expect(suite.double.calls[0]?.status).to.equal(200);
  });
});

describe('clients of Bedrock, and silence', () => {
  useTestAwsCredentials();
  let server: Server;
  const sockets = new Set<Socket>();
  beforeEach(async () => {
    // Takes connections, and says nothing on them.
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    server.close();
    await once(server, 'close');
  });

  for (const protocol of ['http', 'https']) {
    it(`give up on a server that takes ${protocol} and never answers`, async () => {
      const endpoint = `${protocol}://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
      // The one that is meant is short.
      const timeouts =
        protocol === 'http'
          ? { requestTimeoutMs: 100, connectTimeoutMs: longMs }
          : { requestTimeoutMs: longMs, connectTimeoutMs: 100 };
      const client = createBedrockRuntime({ region, endpoint, userAgent: 'x', ...timeouts });
      const refused = await refusalOf(inBedrock((abortSignal) => client.send(embedding, { abortSignal }), bounds));
      // In clear text the connection is there, in TLS it never is.
      if (protocol === 'http') expect(refused.reason).to.equal('MODEL_TIMEOUT');
      else
        expect(refused)
          .to.include({ reason: 'MODEL_UNAVAILABLE' })
          .and.have.nested.property('cause.cause.code', 'ETIMEDOUT');
      client.destroy();
    });
  }

  it('give up where nobody listens', async () => {
    const client = createBedrockRuntime({
      region,
      endpoint: 'http://127.0.0.1:9',
      requestTimeoutMs: longMs,
      userAgent: 'x',
    });
    const refused = await refusalOf(inBedrock((abortSignal) => client.send(embedding, { abortSignal }), bounds));
    expect(refused.reason).to.equal('MODEL_UNAVAILABLE');
    expect(refused).to.have.nested.property('cause.cause.code', 'ECONNREFUSED');
    client.destroy();
  });
});

describe('a client of Bedrock in the middle of an answer', () => {
  const suite: Readonly<BedrockSuite> = useBedrock({ requestTimeoutMs: 100 });

  it('gives up on a stream that has fallen silent', async () => {
    suite.double.onConverse(() => textAnswer('Twice a day.'));
    suite.double.fault({ kind: 'stall-after', afterFrames: 2 });
    const read = async (): Promise<void> => {
      for await (const _ of await openConverseStream(suite.runtime, question, streamBounds));
    };
    // The SDK itself would have it end like an answer that is complete.
    expect((await refusalOf(read())).reason).to.be.oneOf(['MODEL_STREAM_BROKEN', 'MODEL_TIMEOUT']);
  });
});
