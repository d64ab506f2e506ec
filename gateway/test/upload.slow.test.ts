import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { connect, type Socket } from 'node:net';
import { expectProblem, postJson } from './support/http.ts';
import { type World, type WorldOptions, startWorld, tenantB } from './support/world.ts';

/** Bounds so long that no test would see them pass. */
const never = 600_000;
const json = 'Content-Type: application/json';
const multipart = 'Content-Type: multipart/form-data; boundary=b';
const part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n';
const body = { fileName: 'a.txt', contentBase64: 'SGk=' };

/** A client that sends slowly: a few bytes, again and again. */
interface SlowClient {
  readonly socket: Socket;
  answer(): string;
  close(): void;
}

describe('slow uploads', () => {
  const opened: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const one of opened.splice(0).toReversed()) await one.close();
  });

  async function open(limits: WorldOptions['limits']): Promise<World> {
    const world = await startWorld({ limits: { answerTimeoutMs: never, transferTimeoutMs: never, ...limits } });
    opened.push(world);
    return world;
  }

  /** Announces a megabyte and sends its beginning, and then `bytes` every few milliseconds for ever. */
  function slowly(world: World, authorization: string, type: string, beginning: string, bytes: number): SlowClient {
    const { hostname, port } = new URL(world.url);
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', () => undefined);
    const head = `POST /v1/documents HTTP/1.1\r\nHost: g\r\nAuthorization: ${authorization}\r\n${type}`;
    socket.write(`${head}\r\nContent-Length: 1000000\r\n\r\n${beginning}`);
    const drip = setInterval(() => socket.write('A'.repeat(bytes)), 10);
    socket.on('close', () => clearInterval(drip));
    const client = { socket, answer: () => answer, close: () => socket.destroy() };
    opened.push(client);
    return client;
  }

  it('of one tenant leave room for another', async () => {
    const world = await open({ jsonUploads: 4, jsonUploadTimeoutMs: never, bodyTimeoutMs: never });
    const [a, b] = [await world.bearer(), await world.bearer({ tenantId: tenantB })];
    const clients = [1, 2].map(() => slowly(world, a.authorization, json, '{"contentBase64":"', 1));
    const held = async (): Promise<boolean> =>
      /http_going_on\{[^}]*kind="jsonUploads"[^}]*\} 2\b/.test(await world.metrics());
    await eventually(held, { description: 'both to be held' });
    await expectProblem(await postJson(`${world.url}/v1/documents`, a, body), 429, 'RATE_LIMITED');
    expect((await postJson(`${world.url}/v1/documents`, b, body)).status).to.equal(202);
    expect(clients.map((client) => client.answer())).to.deep.equal(['', '']);
  });

  it('as JSON are ended when a window is too slow, and give their place back', async () => {
    const limits = { jsonUploads: 1, jsonUploadTimeoutMs: never, bodyTimeoutMs: 300, uploadMinBytesPerSecond: 4_096 };
    const world = await open(limits);
    const { authorization } = await world.bearer();
    const client = slowly(world, authorization, json, `{"contentBase64":"${'A'.repeat(4_000)}`, 1);
    await eventually(() => client.answer() !== '', { description: 'an answer' });
    expect(client.answer()).to.match(
      /^HTTP\/1.1 408 [\s\S]*application\/problem\+json[\s\S]*"reason":"REQUEST_TIMEOUT"/,
    );
    expect((await postJson(`${world.url}/v1/documents`, { authorization }, body)).status).to.equal(202);
  });

  it('as JSON are ended when their whole time is over, however fast they are', async () => {
    const world = await open({ jsonUploadTimeoutMs: 300, bodyTimeoutMs: never, uploadMinBytesPerSecond: 1 });
    const client = slowly(world, (await world.bearer()).authorization, json, '{"contentBase64":"', 100);
    await eventually(() => client.answer() !== '', { description: 'an answer' });
    expect(client.answer()).to.match(/^HTTP\/1.1 408 [\s\S]*"reason":"REQUEST_TIMEOUT"/);
  });

  it('as multipart are ended when a window is too slow, though no wait is long', async () => {
    const world = await open({ idleTimeoutMs: 300, uploadMinBytesPerSecond: 4_096 });
    const client = slowly(world, (await world.bearer()).authorization, multipart, part, 20);
    await eventually(() => client.answer() !== '', { description: 'an answer' });
    expect(client.answer()).to.match(/^HTTP\/1.1 408 [\s\S]*"reason":"REQUEST_TIMEOUT"/);
    await eventually(() => world.state.uploads[0]?.ended === 'cut', { description: 'the upload to be given up' });
  });

  it('in the fields before the file are ended as well', async () => {
    const world = await open({ idleTimeoutMs: 300, uploadMinBytesPerSecond: 1 });
    const field = '--b\r\nContent-Disposition: form-data; name="title"\r\n\r\n';
    const client = slowly(world, (await world.bearer()).authorization, multipart, field, 1);
    await eventually(() => client.answer() !== '', { description: 'an answer' });
    expect(client.answer()).to.match(/^HTTP\/1.1 408 [\s\S]*"reason":"REQUEST_TIMEOUT"/);
  });

  it('are told from fast ones that a service makes wait', async () => {
    const world = await open({ idleTimeoutMs: 200, bodyTimeoutMs: 400, uploadMinBytesPerSecond: 10_000 });
    const [entered, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    world.state.instead.uploadDocument = async (requests) => {
      entered.resolve();
      await goOn.promise;
      let bytes = 0;
      for await (const { part: message } of requests) if (message.case === 'data') bytes += message.value.byteLength;
      return { document: { documentId: String(bytes) } };
    };
    const data = new FormData();
    data.append('file', new File([Buffer.alloc(4 * 1024 * 1024)], 'a.bin'));
    const headers = await world.bearer();
    const answer = fetch(`${world.url}/v1/documents`, { method: 'POST', headers, body: data });
    await entered.promise;
    // Its end tells that more than a window has passed.
    const clock = slowly(world, headers.authorization, json, '{"contentBase64":"', 1);
    await eventually(() => clock.answer() !== '', { description: 'the slow one to end' });
    goOn.resolve();
    expect((await answer).headers.get('location')).to.equal(`/v1/documents/${4 * 1024 * 1024}`);
  });
});
