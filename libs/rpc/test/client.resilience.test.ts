import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { EmbedKind, EmbeddingService } from '../src/gen/wardstone/embedding/v1/embedding_pb.ts';
import { IngestionService } from '../src/gen/wardstone/ingestion/v1/ingestion_pb.ts';
import { asPrincipal, createServiceClient } from '../src/index.ts';
import { clientOf, clinician, createScene, documentId, refusal, startTestServer } from './support/platform.ts';

const request = { texts: ['a'], kind: EmbedKind.PASSAGE };
const as = asPrincipal(clinician);

/** A relay in front of a server, whose connections can be broken at will and which counts them. */
async function startRelay(target: () => number) {
  const pairs = new Set<net.Socket>();
  let connections = 0;
  const silenced = new Set<net.Socket>();
  const relay = net.createServer((near) => {
    connections++;
    const far = net.connect(target(), '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      pairs.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.on('data', (chunk) => silenced.has(from) || to.write(chunk));
    }
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const { port } = relay.address() as net.AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    connections: () => connections,
    /** Breaks every connection with a reset. */
    reset: () => pairs.forEach((socket) => socket.resetAndDestroy()),
    /** Bytes of the connections there are vanish from now on, as behind a firewall that forgot them. */
    silence: () => pairs.forEach((socket) => silenced.add(socket)),
    async close() {
      pairs.forEach((socket) => socket.destroy());
      relay.close();
      await once(relay, 'close');
    },
  };
}

/** A bare HTTP/2 server that does with each session and stream what it is told. */
async function startBare(onStream: (stream: http2.ServerHttp2Stream, count: number) => void) {
  const server = http2.createServer();
  const sessions: http2.ServerHttp2Session[] = [];
  let count = 0;
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.resume();
    onStream(stream, ++count);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    sessions,
    streams: () => count,
    async close() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers a unary gRPC call with an empty message. */
function answer(stream: http2.ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.alloc(5));
}

describe('a client', () => {
  const uncaught: unknown[] = [];
  const remember = (error: unknown) => uncaught.push(error);

  // What connect-es issue 1768 does to a process; mocha would blame whichever test runs then.
  before(() => process.on('uncaughtExceptionMonitor', remember));
  after(() => {
    process.off('uncaughtExceptionMonitor', remember);
    expect(uncaught).deep.equal([]);
  });

  it('survives a restart of its server', async () => {
    const scene = createScene();
    const first = await startTestServer(scene);
    const client = createServiceClient(EmbeddingService, clientOf(first.url));
    await client.embed(request, as);
    await first.close();
    const down = await refusal(client.embed(request, as));
    expect(down.reason).equal('SERVICE_UNAVAILABLE');
    expect(down.retryAfterMs).equal(2_000);
    const second = await startTestServer(scene, { port: first.port });
    expect((await client.embed(request, as)).modelId).equal('test');
    await second.close();
  });

  it('survives an idle GOAWAY, also when a call begins while the old connection still closes', async () => {
    const bare = await startBare((stream) => answer(stream));
    // A method with side effects, which must not be sent twice: only calls that were not processed are made again.
    const client = createServiceClient(IngestionService, clientOf(bare.url));
    // The moment that ends a process with connect-node's own session manager (connect-es issue 1768) lasts a few turns of the
    // event loop: from the frame's arrival until the old socket has closed. Every distance is tried.
    const distances = 60;
    for (let distance = 0; distance < distances; distance++) {
      await client.deleteDocument({ documentId }, as);
      await turns(30);
      bare.sessions.at(-1)?.goaway(http2.constants.NGHTTP2_NO_ERROR);
      await turns(distance);
      await client.deleteDocument({ documentId }, as);
    }
    expect(bare.streams()).equal(2 * distances);
    expect(bare.sessions.length).above(10);
    await bare.close();
  });

  it('survives a session that is destroyed in the middle of a call, and tries again where that is safe', async () => {
    const bare = await startBare((stream, count) => {
      if (count % 2 === 1) stream.session?.destroy();
      else answer(stream);
    });
    const embedding = createServiceClient(EmbeddingService, clientOf(bare.url));
    expect((await embedding.embed(request, as)).modelId).equal('');
    expect(bare.streams()).equal(2);
    // A delete may have happened: it is not sent twice.
    const ingestion = createServiceClient(IngestionService, clientOf(bare.url));
    const failed = await refusal(ingestion.deleteDocument({ documentId }, as));
    expect(failed.reason).equal('SERVICE_UNAVAILABLE');
    expect(bare.streams()).equal(3);
    await bare.close();
  });

  it('tries again once, not more, and not for what the server has answered', async () => {
    const bare = await startBare((stream) => stream.session?.destroy());
    const client = createServiceClient(EmbeddingService, clientOf(bare.url));
    expect((await refusal(client.embed(request, as))).reason).equal('SERVICE_UNAVAILABLE');
    expect(bare.streams()).equal(2);
    await bare.close();

    const scene = createScene();
    const server = await startTestServer(scene);
    const other = createServiceClient(EmbeddingService, clientOf(server.url));
    expect((await refusal(other.embed({ ...request, texts: ['not-found'] }, as))).reason).equal('DOCUMENT_NOT_FOUND');
    expect(scene.calls).length(1);
    await server.close();
  });

  it('ends streams with SERVICE_UNAVAILABLE when their connection breaks, and calls again', async () => {
    const scene = createScene();
    const server = await startTestServer(scene);
    const relay = await startRelay(() => server.port);
    const client = createServiceClient(IngestionService, clientOf(relay.url));
    const percents: unknown[] = [];
    const watching = refusal(
      (async () => {
        for await (const { document } of client.watchDocument({ documentId }, as)) percents.push(document?.percent);
      })(),
    );
    await scene.entered;
    await eventually(() => percents.length === 3);
    relay.reset();
    expect((await watching).reason).equal('SERVICE_UNAVAILABLE');
    await scene.aborted;
    const embedding = createServiceClient(EmbeddingService, clientOf(relay.url));
    await embedding.embed(request, as);
    relay.reset();
    await embedding.embed(request, as);
    await relay.close();
    await server.close();
  });

  it('finds out by pings that the connection of a running call is dead', async () => {
    const scene = createScene();
    const server = await startTestServer(scene, { drainTimeoutMs: 50 });
    const relay = await startRelay(() => server.port);
    const connection = { pingIntervalMs: 20, pingTimeoutMs: 500 };
    const client = createServiceClient(IngestionService, clientOf(relay.url, { connection }));
    const watching = refusal(drain(client.watchDocument({ documentId }, as)));
    await scene.entered;
    relay.silence();
    expect((await watching).reason).equal('SERVICE_UNAVAILABLE');
    await relay.close();
    await server.close();
  });

  it('asks a connection that was silent for long before it entrusts a call to it, and takes another', async () => {
    const server = await startTestServer(createScene());
    const relay = await startRelay(() => server.port);
    const connection = { pingIntervalMs: 0, pingTimeoutMs: 500 };
    const client = createServiceClient(IngestionService, clientOf(relay.url, { connection }));
    // A method with side effects: it is sent once, on a connection that lives.
    const unimplemented = () => refusal(client.deleteDocument({ documentId }, as));
    expect((await unimplemented()).reason).equal('UNIMPLEMENTED');
    await Promise.all(Array.from({ length: 50 }, unimplemented));
    expect(relay.connections()).equal(1);
    relay.silence();
    expect((await unimplemented()).reason).equal('UNIMPLEMENTED');
    expect(relay.connections()).equal(2);
    await relay.close();
    await server.close();
  });

  it('begins a streaming call with its first read: one that nobody reads asks nothing, and fails for nobody', async () => {
    const bare = await startBare(answer);
    const unread = createServiceClient(IngestionService, clientOf(bare.url)).watchDocument({ documentId }, as);
    await unread[Symbol.asyncIterator]().return?.(undefined);
    // Nobody would await the refusal of this one, and a rejection that nobody awaits ends a process.
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    createServiceClient(IngestionService, clientOf('http://127.0.0.1:9')).watchDocument({ documentId }, as);
    // Another call of the same kind, and one that is refused, have come to their ends after it.
    await drain(createServiceClient(IngestionService, clientOf(bare.url)).watchDocument({ documentId }, as));
    const refused = createServiceClient(EmbeddingService, clientOf('http://127.0.0.1:9'));
    expect((await refusal(refused.embed(request, as))).reason).equal('SERVICE_UNAVAILABLE');
    process.off('unhandledRejection', note);
    expect(unhandled).deep.equal([]);
    expect(bare.streams()).equal(1);
    await bare.close();
  });

  it('gives up connecting after a bound', async () => {
    // Listens, but its peers are never greeted.
    const accepted: net.Socket[] = [];
    const mute = net.createServer((socket) => accepted.push(socket.on('error', () => undefined)));
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as net.AddressInfo;
    const client = createServiceClient(EmbeddingService, clientOf(`http://127.0.0.1:${port}`));
    const error = await refusal(client.embed(request, asPrincipal(clinician, { timeoutMs: 100 })));
    expect(error.reason).equal('DEADLINE_EXCEEDED');
    for (const socket of accepted) socket.destroy();
    mute.close();
  });

  it('uses one connection for many calls, and many calls at once', async () => {
    const server = await startTestServer(createScene());
    const relay = await startRelay(() => server.port);
    const client = createServiceClient(EmbeddingService, clientOf(relay.url));
    await Promise.all(Array.from({ length: 300 }, () => client.embed(request, as)));
    expect(relay.connections()).equal(1);
    await relay.close();
    await server.close();
  });
});

/** Lets the event loop turn. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _message of stream);
}
