import { DocumentState, type Document } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { as, tenantA, tenantB } from './support/harness.ts';
import { spinningPdf } from './support/pdf.ts';
import { openProgram, type Program } from './support/program.ts';
import { upload } from './support/upload.ts';

describe('fairness of the ingestion program', () => {
  let program: Program;
  before(async function () {
    this.timeout(120_000);
    program = await openProgram({
      WARDSTONE_EXTRACT_CONCURRENCY: '1',
      WARDSTONE_EXTRACT_WINDOW: '8',
      WARDSTONE_EXTRACT_PAGE_TIMEOUT_MS: '3000',
    });
    await program.start();
  });
  after(() => program.close());

  const stateOf = async ({ documentId }: Document, tenantId: string): Promise<DocumentState | undefined> =>
    (await program.client.getDocument({ documentId }, as(tenantId))).document?.state;

  it('lets one tenant’s document pass the many slow ones of another', async () => {
    const slow: Document[] = [];
    for (let n = 0; n < 4; n += 1) slow.push(await upload(program, spinningPdf(), { fileName: 'spin.pdf' }));
    const good = await upload(program, 'A short note.', { tenantId: tenantB });
    await eventually(async () => (await stateOf(good, tenantB)) === DocumentState.READY, { timeoutMs: 60_000 });
    const states = await Promise.all(slow.map((document) => stateOf(document, tenantA)));
    // In the order of their coming, the note would have been the last.
    expect(states.filter((state) => state !== DocumentState.FAILED).length).to.be.greaterThan(1);
  }).timeout(120_000);
});
