import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { expect } from 'chai';
import { EmbedKind, EmbeddingService } from '../src/gen/wardstone/embedding/v1/embedding_pb.ts';
import { IngestionService } from '../src/gen/wardstone/ingestion/v1/ingestion_pb.ts';
import { asPrincipal, createServiceClient } from '../src/index.ts';
import { clientOf, clinician, createScene, refusal, startTestServer } from './support/platform.ts';

type TestServer = Awaited<ReturnType<typeof startTestServer>>;

describe('a server among strangers', () => {
  let server: TestServer;

  beforeEach(async () => {
    server = await startTestServer(createScene(), {
      limits: { headersTimeoutMs: 1_000, maxConcurrentStreams: 4, maxHeaderBytes: 4_096, readMaxBytes: 1024 * 1024 },
    });
  });
  afterEach(() => server.close());

  /** Sends bytes, piece by piece, and gives what comes back until the server hangs up. */
  async function talk(...pieces: (string | Buffer)[]): Promise<string> {
    const socket = net.connect(server.port, '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk) => (heard += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    const closed = once(socket, 'close');
    await once(socket, 'connect');
    for (const piece of pieces) {
      socket.write(piece);
      // Turns enough for the server, in the same process, to accept the connection and read the piece by itself.
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    }
    await closed;
    return heard;
  }

  async function stillServes(): Promise<void> {
    const client = createServiceClient(EmbeddingService, clientOf(server.url));
    await client.embed({ texts: ['a'], kind: 1 }, asPrincipal(clinician));
    expect((await fetch(`${server.url}/livez`)).status).equal(200);
  }

  it('outlives garbage, cut-off prefaces and peers that say nothing', async () => {
    await Promise.all([
      talk(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc])),
      talk(Buffer.alloc(100_000, 0xff)),
      talk('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', Buffer.alloc(5_000, 0x7f)),
      talk('PRI nonsense\r\n\r\n'),
      talk('PR'),
      talk('P'),
      talk(),
      talk('GET /livez HTTP/1.1\r\nHost: a\r\n'),
    ]);
    await stillServes();
  });

  it('puts the pieces of a request together, however they are cut', async () => {
    const request = 'GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    expect(await talk(...request)).match(/^HTTP\/1\.1 200 OK/);
    expect(await talk('P', 'ROPFIND / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).match(/^HTTP\/1\.1 404/);
  });

  it('knows HTTP/2 by its preface, however it is cut', async () => {
    const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    const goAway = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const heard = await talk('P', 'RI', ' * HTTP/2.0\r\n\r\nSM\r\n', '\r\n', emptySettings, goAway);
    // The first frame that a server sends is its settings.
    expect(heard.charCodeAt(3)).equal(4);
  });

  it('answers a Host or path that makes no URL with 400, and lives on', async () => {
    const path = '/wardstone.embedding.v1.EmbeddingService/Embed';
    const end = 'Content-Type: application/json\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    expect(await talk(`POST ${path} HTTP/1.1\r\nHost: ][\r\n${end}`)).match(/^HTTP\/1\.1 400/);
    expect(await talk(`POST ${path} HTTP/1.0\r\n${end}`)).match(/^HTTP\/1\.1 400/);
    const session = http2.connect(server.url);
    const stream = session.request({ ':method': 'POST', ':path': path, ':authority': '][' });
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & { ':status': number }];
    expect(headers[':status']).equal(400);
    session.destroy();
    await stillServes();
  });

  it('bounds headers, on either protocol', async () => {
    const long = 'x'.repeat(8_192);
    expect(await talk(`GET /livez HTTP/1.1\r\nHost: a\r\nX: ${long}\r\n\r\n`)).match(/^HTTP\/1\.1 431/);
    const session = http2.connect(server.url).on('error', () => undefined);
    // The bound is the server's setting; it holds from the moment the peer has acknowledged it.
    await once(session.request({ ':path': '/livez' }).resume(), 'end');
    const stream = session.request({ ':path': '/livez', x: long });
    const outcome: unknown = await once(stream, 'response').then(
      () => 'answered',
      (error: unknown) => error,
    );
    expect(outcome)
      .property('message')
      .match(/ENHANCE_YOUR_CALM/);
    session.destroy();
    await stillServes();
  });

  it('refuses messages that are too large, again and again on one connection, and frees their streams', async () => {
    const client = createServiceClient(EmbeddingService, clientOf(server.url));
    for (let turn = 0; turn < 30; turn++) {
      const error = await refusal(client.embed({ texts: ['x'.repeat(1_048_577)], kind: 1 }, asPrincipal(clinician)));
      expect(error.reason, `call ${turn}`).equal('BODY_TOO_LARGE');
    }
    await stillServes();
  });

  it('refuses compressed messages that become too large', async () => {
    const { compressionGzip } = await import('@connectrpc/connect-node');
    // Compressing takes its time, and the headers come after it: this is no test of how long they may take.
    const patient = await startTestServer(createScene(), { limits: { readMaxBytes: 1024 * 1024 } });
    const transport = createGrpcTransport({ baseUrl: patient.url, sendCompression: compressionGzip });
    const client = createClient(EmbeddingService, transport);
    const request = { texts: ['x'.repeat(8 * 1_048_576)], kind: EmbedKind.PASSAGE };
    const error: unknown = await client
      .embed(request, { headers: { authorization: 'Bearer good' } })
      .catch((e: unknown) => e);
    await patient.close();
    expect(error).property('code', 8);
  });

  it('refuses an upload before it reads it, and the next call on the connection goes well', async () => {
    const client = createServiceClient(
      IngestionService,
      clientOf(server.url, { authorize: () => Promise.resolve('bad') }),
    );
    let sent = 0;
    async function* endless() {
      yield { part: { case: 'metadata', value: { fileName: 'a' } } } as const;
      for (;;) {
        sent++;
        yield { part: { case: 'data', value: new Uint8Array(65_536) } } as const;
        await new Promise(setImmediate);
      }
    }
    const error = await refusal(client.uploadDocument(endless(), asPrincipal(clinician)));
    expect(error.reason).equal('TOKEN_INVALID');
    expect(sent).below(1_000);
    await stillServes();
  });
});
