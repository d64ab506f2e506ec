import http2 from 'node:http2';
import { once } from 'node:events';
import net from 'node:net';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { expect } from 'chai';
import { Health } from '../src/gen/grpc/health/v1/health_pb.ts';
import { EmbedKind, EmbeddingService } from '../src/gen/wardstone/embedding/v1/embedding_pb.ts';
import { IngestionService } from '../src/gen/wardstone/ingestion/v1/ingestion_pb.ts';
import { asPrincipal, createServiceClient } from '../src/index.ts';
import { clientOf, clinician, createScene, documentId, refusal, startTestServer } from './support/platform.ts';

const hold = { texts: ['hold'], kind: EmbedKind.PASSAGE };

describe('a server that closes', () => {
  it('finishes the call in flight, tells HTTP/2 peers to go away, and takes nobody new', async () => {
    const scene = createScene();
    const server = await startTestServer(scene);
    const client = createServiceClient(EmbeddingService, clientOf(server.url));
    const idle = http2.connect(server.url);
    await once(idle, 'connect');
    const wentAway = once(idle, 'goaway');

    const inFlight = client.embed(hold, asPrincipal(clinician));
    await scene.entered;
    const closed = server.close();
    await wentAway;
    const late = await refusal(client.embed({ texts: ['a'], kind: 1 }, asPrincipal(clinician)));
    expect(late.reason).equal('SERVICE_UNAVAILABLE');
    expect(late.retryAfterMs).equal(2_000);

    scene.release();
    expect((await inFlight).modelId).equal('test');
    await closed;
    await server.close();
  });

  it('breaks off what runs longer than the drain may take, and says so', async () => {
    const scene = createScene();
    const server = await startTestServer(scene, { drainTimeoutMs: 100 });
    const client = createServiceClient(EmbeddingService, clientOf(server.url));
    const inFlight = refusal(client.embed({ texts: ['ignore-the-signal'], kind: 1 }, asPrincipal(clinician)));
    const held = refusal(client.embed(hold, asPrincipal(clinician)));
    await scene.entered;
    await server.close();
    expect((await inFlight).reason).equal('SERVICE_UNAVAILABLE');
    expect((await held).reason).equal('SERVICE_UNAVAILABLE');
    await scene.aborted;
    scene.release();
  });

  it('does not wait for kept HTTP/1.1 connections, nor for peers that said nothing', async () => {
    const server = await startTestServer(createScene(), { drainTimeoutMs: 60_000 });
    await (await fetch(`${server.url}/livez`)).text();
    const silent = http2.connect(server.url).on('error', () => undefined);
    await once(silent, 'connect');
    await server.close();
    const [refused] = (await once(net.connect(server.port, '127.0.0.1'), 'error')) as unknown[];
    expect(refused).property('code', 'ECONNREFUSED');
  });

  it('ends watches of health with NOT_SERVING', async () => {
    const server = await startTestServer(createScene(), { drainTimeoutMs: 60_000 });
    const client = createClient(Health, createGrpcTransport({ baseUrl: server.url }));
    const statuses: number[] = [];
    let closed: Promise<void> | undefined;
    for await (const { status } of client.watch({ service: '' })) {
      statuses.push(status);
      closed ??= server.close();
    }
    expect(statuses).deep.equal([1, 2]);
    await closed;
  });
});

describe('deadlines and cancels', () => {
  it('answer DEADLINE_EXCEEDED and abort the handler, with the deadline of the caller or the server', async () => {
    const scene = createScene();
    const server = await startTestServer(scene, { limits: { defaultTimeoutMs: 80 } });
    const client = createServiceClient(EmbeddingService, clientOf(server.url));
    const own = await refusal(client.embed(hold, asPrincipal(clinician, { timeoutMs: 50 })));
    expect(own.reason).equal('DEADLINE_EXCEEDED');
    await scene.aborted;

    // A stock client without a deadline gets the server's.
    const stock = createClient(EmbeddingService, createGrpcTransport({ baseUrl: server.url }));
    const request = { texts: ['ignore-the-signal'], kind: EmbedKind.PASSAGE };
    const error: unknown = await stock
      .embed(request, { headers: { authorization: 'Bearer good' } })
      .catch((e: unknown) => e);
    expect(error).property('code', 4);
    scene.release();
    await server.close();
  });

  it('cut a longer deadline down to the longest that the server grants', async () => {
    const scene = createScene();
    const server = await startTestServer(scene, { limits: { maxTimeoutMs: 60 } });
    const client = createServiceClient(EmbeddingService, clientOf(server.url));
    const error = await refusal(client.embed(hold, asPrincipal(clinician, { timeoutMs: 3_600_000 })));
    expect(error.reason).equal('DEADLINE_EXCEEDED');
    expect(scene.calls[0]?.timeoutMs()).equal(0);
    await server.close();
  });

  it('of the caller abort the handler, unary and streaming', async () => {
    for (const method of ['embed', 'watch'] as const) {
      const scene = createScene();
      const server = await startTestServer(scene);
      const leave = new AbortController();
      const options = asPrincipal(clinician, { signal: leave.signal });
      const embedding = createServiceClient(EmbeddingService, clientOf(server.url));
      const ingestion = createServiceClient(IngestionService, clientOf(server.url));
      const call =
        method === 'embed'
          ? embedding.embed(hold, options)
          : drainStream(ingestion.watchDocument({ documentId }, options));
      const ended = refusal(call);
      await scene.entered;
      leave.abort();
      expect((await ended).reason).equal('CANCELLED');
      await scene.aborted;
      await server.close();
      const counted = await server.telemetry.metrics.getSingleMetricAsString('rpc_server_requests_total');
      expect(counted).match(/code="Canceled".*\} 1/);
    }
  });

  it('of an HTTP/1.1 peer that hangs up abort the handler', async () => {
    const scene = createScene();
    const server = await startTestServer(scene);
    const leave = new AbortController();
    const asked = fetch(`${server.url}/wardstone.embedding.v1.EmbeddingService/Embed`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer good' },
      body: JSON.stringify(hold),
      signal: leave.signal,
    }).catch((error: unknown) => error);
    await scene.entered;
    leave.abort();
    await scene.aborted;
    expect(await asked).property('name', 'AbortError');
    await server.close();
  });
});

async function drainStream(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _message of stream);
}
