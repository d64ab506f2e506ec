import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { as, openHarness, tenantA, tenantB, type Harness } from './support/harness.ts';
import { reasonOf, upload, uploadMessages } from './support/upload.ts';

/** Takes a stream's first message and holds the stream. */
async function hold(stream: AsyncIterable<unknown>): Promise<AsyncIterator<unknown>> {
  const iterator = stream[Symbol.asyncIterator]();
  await iterator.next();
  return iterator;
}

describe('slots of the long streams', () => {
  let harness: Harness;
  const documents = new Map<string, string>();
  before(async () => {
    harness = await openHarness({
      maxWatchers: 4,
      maxUploads: 4,
      maxDownloads: 4,
      tenantSlotPercent: 50,
      watchIntervalMs: 60_000,
    });
    for (const tenantId of [tenantA, tenantB]) {
      // Longer than what any buffer on the way takes in.
      const { documentId } = await upload(harness, 'words '.repeat(100_000), { tenantId });
      documents.set(tenantId, documentId);
    }
  });
  after(() => harness.close());

  it('leave uploads to other tenants while one holds its share, and come back when an upload ends', async () => {
    const ends: (() => void)[] = [];
    const begin = (tenantId: string, fileName: string) => {
      const end = new Promise<void>((resolve) => ends.push(resolve));
      const whole = uploadMessages(Buffer.from('words'), { fileName });
      async function* slowly() {
        for await (const message of whole) {
          yield message;
          await end;
        }
      }
      return harness.client.uploadDocument(slowly(), as(tenantId));
    };
    const held = [begin(tenantA, 'a.txt'), begin(tenantA, 'b.txt')];
    await eventually(async () => (await reasonOf(upload(harness, 'more', { tenantId: tenantA }))) === 'RATE_LIMITED');
    expect(await reasonOf(upload(harness, 'others', { tenantId: tenantB }))).to.equal('none');
    for (const end of ends) end();
    await Promise.all(held);
    expect(await reasonOf(upload(harness, 'more', { tenantId: tenantA }))).to.equal('none');
  });

  for (const rpc of ['watchDocument', 'downloadDocument'] as const) {
    it(`leave ${rpc} to other tenants while one holds its share, and come back when a caller goes`, async () => {
      const controllers: AbortController[] = [];
      const open = (tenantId: string) => {
        const controller = new AbortController();
        controllers.push(controller);
        const request = { documentId: documents.get(tenantId) ?? '' };
        return hold(harness.client[rpc](request, as(tenantId, { signal: controller.signal })));
      };
      await open(tenantA);
      await open(tenantA);
      expect(await reasonOf(open(tenantA))).to.equal('RATE_LIMITED');
      await open(tenantB);
      controllers[0]?.abort();
      await eventually(async () => (await reasonOf(open(tenantA))) === 'none');
      for (const controller of controllers) controller.abort();
    });
  }
});
