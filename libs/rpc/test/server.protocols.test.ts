import http from 'node:http';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { expect } from 'chai';
import {
  EmbedRequestSchema,
  EmbedResponseSchema,
  EmbeddingService,
} from '../src/gen/wardstone/embedding/v1/embedding_pb.ts';
import { IngestionService } from '../src/gen/wardstone/ingestion/v1/ingestion_pb.ts';
import type { RunningServer } from '../src/index.ts';
import { type Scene, createScene, documentId, startTestServer } from './support/platform.ts';

const good = { authorization: 'Bearer good' };
const embed = '/wardstone.embedding.v1.EmbeddingService/Embed';

describe('one port', () => {
  let scene: Scene;
  let server: RunningServer;

  beforeEach(async () => {
    scene = createScene();
    server = await startTestServer(scene);
  });
  afterEach(() => server.close());

  const post = (path: string, headers: Record<string, string>, body: Uint8Array | string) =>
    fetch(server.url + path, { method: 'POST', headers: { ...good, ...headers }, body });

  it('speaks Connect in JSON over HTTP/1.1', async () => {
    const response = await post(
      embed,
      { 'content-type': 'application/json', 'x-request-id': 'mine' },
      JSON.stringify({ texts: ['a'], kind: 'EMBED_KIND_QUERY' }),
    );
    expect(response.status).equal(200);
    expect(response.headers.get('x-request-id')).equal('mine');
    expect(await response.json()).deep.equal({ embeddings: [{ values: [1, 0] }], modelId: 'test', dimensions: 2 });
  });

  it('speaks Connect in JSON: refuses unknown fields and unknown enum names with a reason and without their words', async () => {
    for (const body of [
      '{"texts":["a"],"kind":"Abernathy"}',
      '{"texts":["a"],"kind":1,"Abernathy":1}',
      '{"texts":["a"],"kind":',
      '"\ud800"',
    ]) {
      const response = await post(embed, { 'content-type': 'application/json' }, body);
      const text = await response.text();
      expect(response.status, body).equal(400);
      expect(text).include('"reason":"INVALID_ARGUMENT"').and.not.include('Abernathy');
    }
    expect(scene.calls).deep.equal([]);
  });

  it('speaks gRPC-Web over HTTP/1.1', async () => {
    const message = toBinary(EmbedRequestSchema, create(EmbedRequestSchema, { texts: ['a'], kind: 1 }));
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    const response = await post(
      embed,
      { 'content-type': 'application/grpc-web+proto' },
      Buffer.concat([frame, message]),
    );
    const body = Buffer.from(await response.arrayBuffer());
    const size = body.readUInt32BE(1);
    expect(fromBinary(EmbedResponseSchema, body.subarray(5, 5 + size)).modelId).equal('test');
    expect(body.readUInt8(5 + size)).equal(0x80);
    expect(body.subarray(10 + size).toString()).match(/grpc-status: ?0/);
  });

  it('speaks Connect, gRPC-Web and gRPC over HTTP/2', async () => {
    const options = { baseUrl: server.url, httpVersion: '2' } as const;
    for (const transport of [
      createConnectTransport(options),
      createGrpcWebTransport(options),
      createGrpcTransport(options),
    ]) {
      const client = createClient(EmbeddingService, transport);
      expect((await client.embed({ texts: ['a'], kind: 1 }, { headers: good })).modelId).equal('test');
    }
  });

  it('streams in all three protocols', async () => {
    const options = { baseUrl: server.url } as const;
    const transports = [
      createConnectTransport({ ...options, httpVersion: '1.1' }),
      createGrpcWebTransport({ ...options, httpVersion: '1.1' }),
      createConnectTransport({ ...options, httpVersion: '2' }),
      createGrpcTransport(options),
    ];
    for (const transport of transports) {
      const client = createClient(IngestionService, transport);
      const leave = new AbortController();
      const percents: number[] = [];
      const watching = (async () => {
        const watch = client.watchDocument({ documentId }, { headers: good, signal: leave.signal });
        for await (const { document } of watch) {
          percents.push(document?.percent ?? -1);
          if (percents.length === 3) leave.abort();
        }
      })();
      await watching.catch(() => undefined);
      expect(percents).deep.equal([10, 50, 90]);
    }
    await scene.aborted;
  });

  it('refuses binary text that is not UTF-8, with the reason', async () => {
    const notUtf8 = Buffer.from([0x0a, 0x02, 0xc3, 0x28, 0x10, 0x01]);
    const response = await post(embed, { 'content-type': 'application/proto' }, notUtf8);
    expect(response.status).equal(400);
    expect(await response.text()).include('"reason":"INVALID_ARGUMENT"');
  });

  it('refuses a message of a stream that is not UTF-8, with the reason', async () => {
    // One envelope with metadata whose file name is not UTF-8.
    const envelope = Buffer.from([0, 0, 0, 0, 6, 0x0a, 0x04, 0x0a, 0x02, 0xc3, 0x28]);
    const path = '/wardstone.ingestion.v1.IngestionService/UploadDocument';
    const response = await post(path, { 'content-type': 'application/connect+proto' }, envelope);
    expect(await response.text())
      .include('"code":"invalid_argument"')
      .and.include('"reason":"INVALID_ARGUMENT"');
  });

  it('serves /metrics, /livez and /readyz without a token, and nothing else', async () => {
    await post(embed, { 'content-type': 'application/json' }, '{"texts":["a"],"kind":1}');
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).match(
      /rpc_server_requests_total\{service="wardstone.embedding.v1.EmbeddingService",method="Embed",code="Ok".*\} 1/,
    );
    expect(metrics).match(/rpc_server_in_flight\{.*method="Embed".*\} 0/);
    expect(await (await fetch(`${server.url}/livez`)).json()).deep.equal({ status: 'alive' });
    expect(await (await fetch(`${server.url}/readyz`)).json()).deep.equal({ status: 'ready', dependencies: {} });
    expect((await fetch(`${server.url}/livez`, { method: 'POST' })).status).equal(405);
    expect((await fetch(`${server.url}/constructor`)).status).equal(404);
    const noToken = await fetch(server.url + embed, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect(noToken.status).equal(401);
  });

  it('serves many requests, one after the other, on one kept connection', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    for (let turn = 0; turn < 20; turn++) {
      await new Promise<void>((resolve, reject) => {
        const request = http.get(`${server.url}/livez`, { agent }, (response) => {
          response.resume().once('end', resolve);
        });
        request.once('socket', (socket) => sockets.add(socket)).once('error', reject);
      });
    }
    expect(sockets.size).equal(1);
    agent.destroy();
  });

  it('answers a method that it does not have as gRPC clients expect', async () => {
    const { code } = await createClient(EmbeddingService, createGrpcTransport({ baseUrl: `${server.url}/elsewhere` }))
      .embed({ texts: ['a'], kind: 1 })
      .then(
        () => ({ code: 0 }),
        (error: unknown) => error as { code: number },
      );
    expect(code).equal(12);
  });
});
