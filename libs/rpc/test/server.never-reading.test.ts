import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import type { ConnectRouter } from '@connectrpc/connect';
import { create, toBinary } from '@bufbuild/protobuf';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { DownloadDocumentRequestSchema, IngestionService } from '../src/gen/wardstone/ingestion/v1/ingestion_pb.ts';
import { type CallContext, type ServerLimits, callContext } from '../src/index.ts';
import { documentId, secret, startTestServer } from './support/platform.ts';

const path = '/wardstone.ingestion.v1.IngestionService/DownloadDocument';
// A few of them fill every buffer on the way.
const piece = new Uint8Array(1024 * 1024);
const message = toBinary(DownloadDocumentRequestSchema, create(DownloadDocumentRequestSchema, { documentId }));
const envelope = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);

/** DownloadDocument sends without end and looks at nothing; `open` counts the handlers that have not left. */
function endless(onLeave: () => void = () => undefined) {
  const state = { open: 0, begun: 0, calls: [] as CallContext[] };
  const routes = (router: ConnectRouter): void =>
    void router.service(IngestionService, {
      async *downloadDocument(_request, ctx) {
        state.calls.push(callContext(ctx));
        state.open += 1;
        state.begun += 1;
        try {
          for (;;) {
            yield { part: { case: 'data' as const, value: piece } };
            await new Promise(setImmediate);
          }
        } finally {
          state.open -= 1;
          callContext(ctx).log.info('left');
          onLeave();
        }
      },
    });
  return { state, routes };
}

async function serve(limits: Partial<ServerLimits>, drainTimeoutMs = 60_000, onLeave?: () => void) {
  const { state, routes } = endless(onLeave);
  const scene = { calls: [], entered: Promise.resolve(), release() {}, aborted: Promise.resolve(), routes };
  const server = await startTestServer(scene, { limits: { farewellMs: 50, ...limits }, drainTimeoutMs });
  const left = () => eventually(() => state.begun > 0 && state.open === 0, { description: 'the handler to leave' });
  return { state, server, left };
}

/** A gRPC call whose response is given no more than a window of 1 KiB, and is not read. */
function openGrpc(url: string, timeout?: string) {
  const session = http2.connect(url, { settings: { initialWindowSize: 1024 } }).on('error', () => undefined);
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: 'Bearer good',
    ...(timeout !== undefined && { 'grpc-timeout': timeout }),
  });
  stream.on('error', () => undefined);
  stream.end(envelope);
  // Heard from the beginning: the handler may be seen to have left only after this.
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  return { session, stream, closed };
}

/** A call of Connect over HTTP/1.1 on a socket that is not read. */
function openConnect(port: number, timeoutMs?: number): net.Socket {
  const socket = net.connect(port, '127.0.0.1').on('error', () => undefined);
  socket.pause();
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\nContent-Type: application/connect+proto\r\n` +
      `Connect-Protocol-Version: 1\r\nContent-Length: ${envelope.length}\r\n` +
      `${timeoutMs === undefined ? '' : `Connect-Timeout-Ms: ${timeoutMs}\r\n`}\r\n`,
  );
  socket.write(envelope);
  return socket;
}

/** A gRPC call with all the window it may have, frame by frame (RFC 9113, 4.1), on a socket that is not read. */
function openDeafGrpc(port: number): net.Socket {
  const frame = (type: number, flags: number, streamId: number, payload: Buffer) => {
    const header = Buffer.alloc(9);
    header.writeUIntBE(payload.length, 0, 3);
    header.writeUInt8(type, 3);
    header.writeUInt8(flags, 4);
    header.writeUInt32BE(streamId, 5);
    return Buffer.concat([header, payload]);
  };
  // RFC 7541, 6.2.2: a literal field with a literal name.
  const field = (name: string, value: string) =>
    Buffer.from(`\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`);
  const headers = Buffer.concat([
    field(':method', 'POST'),
    field(':scheme', 'http'),
    field(':path', path),
    field(':authority', 'a'),
    field('content-type', 'application/grpc'),
    field('te', 'trailers'),
    field('authorization', 'Bearer good'),
  ]);
  const socket = net.connect(port, '127.0.0.1').on('error', () => undefined);
  socket.pause();
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  // SETTINGS_INITIAL_WINDOW_SIZE, and the same for the connection.
  socket.write(frame(4, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff])));
  socket.write(frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0, 0])));
  socket.write(frame(1, 0x4, 1, headers));
  socket.write(frame(0, 0x1, 1, envelope));
  return socket;
}

type Served = Awaited<ReturnType<typeof serve>>;

async function expectDeadlineCounted({ server }: Served): Promise<void> {
  const read = (name: string) => server.telemetry.metrics.getSingleMetricAsString(name);
  await eventually(async () =>
    /method="DownloadDocument",code="DeadlineExceeded".*\} 1/.test(await read('rpc_server_requests_total')),
  );
  expect(await read('rpc_server_in_flight')).match(/method="DownloadDocument".*\} 0/);
}

describe('a caller that opens a stream and never reads', () => {
  it('over gRPC loses it at its deadline: the handler leaves and the stream is reset', async () => {
    const served = await serve({});
    const { session, stream, closed } = openGrpc(served.server.url, '500m');
    await served.left();
    await closed;
    expect(stream.rstCode).equal(http2.constants.NGHTTP2_CANCEL);
    await expectDeadlineCounted(served);
    // With the stream given back, nothing is left to wait for.
    await served.server.close();
    session.destroy();
  });

  it('over gRPC without a deadline loses it at the longest that the server grants', async () => {
    const served = await serve({ maxTimeoutMs: 200 });
    const { session, closed } = openGrpc(served.server.url);
    await served.left();
    await closed;
    await expectDeadlineCounted(served);
    await served.server.close();
    session.destroy();
  });

  it('over Connect on HTTP/1.1 loses it and its connection', async () => {
    for (const [timeoutMs, maxTimeoutMs] of [
      [300, 60_000],
      [undefined, 300],
    ] as const) {
      const served = await serve({ maxTimeoutMs });
      const socket = openConnect(served.server.port, timeoutMs);
      await served.left();
      await expectDeadlineCounted(served);
      await served.server.close();
      socket.destroy();
    }
  });

  it('over gRPC on a connection that is not read at all loses it too', async () => {
    const served = await serve({ maxTimeoutMs: 200 });
    const socket = openDeafGrpc(served.server.port);
    await served.left();
    await expectDeadlineCounted(served);
    socket.destroy();
    await served.server.close();
  });

  it('loses it when the server has drained for long enough', async () => {
    const served = await serve({}, 100);
    const { session } = openGrpc(served.server.url);
    const socket = openConnect(served.server.port);
    await eventually(() => served.state.begun === 2);
    await served.server.close();
    await served.left();
    session.destroy();
    socket.destroy();
  });

  it('gets its status all the same when it begins to read before the farewell is over', async () => {
    const served = await serve({ maxTimeoutMs: 200, farewellMs: 60_000 });
    const { session, stream } = openGrpc(served.server.url);
    await served.left();
    const trailers = once(stream, 'trailers');
    stream.resume();
    const [{ 'grpc-status': status }] = (await trailers) as [http2.IncomingHttpHeaders];
    expect(status).equal('4');
    await expectDeadlineCounted(served);
    await served.server.close();
    session.destroy();
  });

  it('and goes, lets the handler leave', async () => {
    const served = await serve({});
    const { session, stream } = openGrpc(served.server.url);
    const socket = openConnect(served.server.port);
    await eventually(() => served.state.begun === 2);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    socket.destroy();
    await served.left();
    const lines = served.server.telemetry.lines().filter(({ msg }) => msg === 'left');
    const requestIds = lines.map(({ requestId }) => requestId);
    expect(requestIds).have.members(served.state.calls.map(({ requestId }) => requestId));
    session.destroy();
    await served.server.close();
  });
});

describe('a handler that fails as it leaves', () => {
  it('is logged with its call, without what it said, and the server lives on', async () => {
    const served = await serve({ maxTimeoutMs: 100 }, 60_000, () => {
      throw new Error(`could not release (${secret})`);
    });
    const { session } = openGrpc(served.server.url);
    const line = await eventually(() =>
      served.server.telemetry.lines().find(({ msg }) => String(msg).includes('failed to leave')),
    );
    expect(line).property('requestId', served.state.calls[0]?.requestId);
    expect(served.server.telemetry.text()).not.contain(secret);
    expect((await fetch(`${served.server.url}/livez`)).status).equal(200);
    session.destroy();
    await served.server.close();
  });
});

describe('a caller that never sends its request', () => {
  it('loses its stream after the deadline', async () => {
    const served = await serve({ defaultTimeoutMs: 100 });
    const session = http2.connect(served.server.url);
    const stream = session.request({
      ':method': 'POST',
      ':path': path.replace('DownloadDocument', 'GetDocument'),
      'content-type': 'application/grpc',
      authorization: 'Bearer good',
    });
    stream.on('error', () => undefined);
    await new Promise((resolve) => stream.once('close', resolve));
    expect(stream.rstCode).equal(http2.constants.NGHTTP2_CANCEL);
    await eventually(() => served.server.telemetry.lines().some(({ reason }) => reason === 'DEADLINE_EXCEEDED'));
    await served.server.close();
    session.destroy();
  });
});
