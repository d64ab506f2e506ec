import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { type ChildGateway, startChildGateway } from './support/child-gateway.ts';
import { type World, startWorld } from './support/world.ts';

const MiB = 1024 * 1024;
/** Between two looks at the gateway's memory. */
const sampleMs = 200;

describe('upload of 1 GiB', function () {
  this.timeout(180_000);
  let world: World;
  let gateway: ChildGateway;
  before(async () => {
    world = await startWorld();
    gateway = await startChildGateway(world, { WARDSTONE_LOG_LEVEL: 'info' });
  });
  after(async () => {
    await gateway.stop();
    await world.close();
  });

  it('keeps memory within 64 MiB of the idle gateway', async () => {
    const { authorization } = await world.bearer();
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
    const sent = createHash('sha256');
    const status = await upload(authorization, 1024, sent);
    going = false;
    await watching;

    expect(status).to.equal(202);
    const [received] = world.state.uploads;
    expect(received).to.include({ bytes: 1024 * MiB, ended: 'complete', sha256: sent.digest('hex') });
    expect((peak - idle) / MiB, 'MiB above idle').to.be.below(64);
  });

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
