import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { as, openHarness, tenantA, tenantB, type Harness } from './support/harness.ts';
import { reasonOf, upload } from './support/upload.ts';

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
    harness = await openHarness({ maxWatchers: 4, maxDownloads: 4, tenantSlotPercent: 50, watchIntervalMs: 60_000 });
    for (const tenantId of [tenantA, tenantB]) {
      // Longer than what any buffer on the way takes in.
      const { documentId } = await upload(harness, 'words '.repeat(100_000), { tenantId });
      documents.set(tenantId, documentId);
    }
  });
  after(() => harness.close());

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
