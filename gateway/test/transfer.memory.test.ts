import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { type ChildGateway, startChildGateway } from './support/child-gateway.ts';
import { addDocument } from './support/in-test-services.ts';
import { type World, startWorld, tenantA } from './support/world.ts';

const MiB = 1024 * 1024;
/** As services cut what they stream. */
const pieceBytes = 64 * 1024;
/** Between two looks at the gateway's memory. */
const sampleMs = 200;

describe('1 GiB through the gateway', function () {
  this.timeout(180_000);
  let world: World;
  let gateway: ChildGateway;
  beforeEach(async () => {
    world = await startWorld();
    gateway = await startChildGateway(world, { WARDSTONE_LOG_LEVEL: 'info' });
  });
  afterEach(async () => {
    await gateway.stop();
    await world.close();
  });

  it('keeps memory within 64 MiB of the idle gateway on the way up', async () => {
    const { authorization } = await world.bearer();
    const sent = createHash('sha256');
    const { result: status, aboveIdle } = await watched(authorization, () => upload(authorization, 1024, sent));

    expect(status).to.equal(202);
    const [received] = world.state.uploads;
    expect(received).to.include({ bytes: 1024 * MiB, ended: 'complete', sha256: sent.digest('hex') });
    expect(aboveIdle / MiB, 'MiB above idle').to.be.below(64);
  });

  it('keeps memory within 64 MiB of the idle gateway on the way down', async () => {
    const { authorization } = await world.bearer();
    const { documentId } = addDocument(world.state, tenantA, { fileName: 'large.bin', sizeBytes: BigInt(1024 * MiB) });
    const sent = createHash('sha256');
    world.state.instead.downloadDocument = async function* (_request, context) {
      const { document } = world.state.documents.get(documentId) ?? {};
      if (document === undefined) throw new Error('the document is not there');
      yield { part: { case: 'document', value: document } };
      for (let index = 0; index < (1024 * MiB) / pieceBytes && !context.signal.aborted; index += 1) {
        const piece = Buffer.alloc(pieceBytes, index & 0xff);
        sent.update(piece);
        yield { part: { case: 'data', value: piece } };
      }
    };
    const received = createHash('sha256');
    const { result: bytes, aboveIdle } = await watched(authorization, async () => {
      const response = await fetch(`${gateway.url}/v1/documents/${documentId}/content`, { headers: { authorization } });
      expect(response.status).to.equal(200);
      let total = 0;
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
        received.update(piece);
        total += piece.byteLength;
        // Takes turns with the sender, which is in this process too.
        await setImmediate();
      }
      return total;
    });
    expect(bytes).to.equal(1024 * MiB);
    expect(received.digest('hex')).to.equal(sent.digest('hex'));
    expect(aboveIdle / MiB, 'MiB above idle').to.be.below(64);
  });

  /** Does something with the gateway and looks at its memory meanwhile. */
  async function watched<T>(authorization: string, work: () => Promise<T>): Promise<{ result: T; aboveIdle: number }> {
    const me = await fetch(`${gateway.url}/v1/me`, { headers: { authorization } });
    expect(me.status).to.equal(200);
    const idle = await gateway.residentBytes();
    let peak = 0;
    let going = true;
    const watching = (async () => {
      while (going) {
        peak = Math.max(peak, await gateway.residentBytes());
        await setTimeout(sampleMs);
      }
    })();
    try {
      const result = await work();
      return { result, aboveIdle: peak - idle };
    } finally {
      going = false;
      await watching;
    }
  }

  async function upload(
    authorization: string,
    mebibytes: number,
    hash: ReturnType<typeof createHash>,
  ): Promise<number> {
    const chunk = Buffer.alloc(MiB, 'The quick brown fox. ');
    function* body() {
      yield '--b\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n';
      for (let index = 0; index < mebibytes; index += 1) {
        chunk.writeUInt32BE(index);
        hash.update(chunk);
        yield Buffer.from(chunk);
      }
      yield '\r\n--b--\r\n';
    }
    const headers = { authorization, 'content-type': 'multipart/form-data; boundary=b' };
    const sending = request(`${gateway.url}/v1/documents`, { method: 'POST', headers });
    const answered = new Promise<number>((resolve, reject) => {
      sending.once('response', (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      });
      sending.once('error', reject);
    });
    await pipeline(Readable.from(body()), sending);
    return answered;
  }
});
