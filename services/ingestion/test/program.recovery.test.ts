import { DocumentState, type Document } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { eventually, pagesPdf, textPdf } from '@wardstone/testing';
import { expect } from 'chai';
import { as, tenantA, tenantB } from './support/harness.ts';
import { spinningPdf } from './support/pdf.ts';
import { openProgram, type Program } from './support/program.ts';
import { collect, reasonOf, upload } from './support/upload.ts';

const settleMs = 60_000;

describe('the ingestion program', () => {
  let program: Program;
  before(async function () {
    this.timeout(120_000);
    program = await openProgram({ WARDSTONE_EXTRACT_PAGE_TIMEOUT_MS: '2000' });
    await program.start();
  });
  after(() => program.close());

  const stateOf = async ({ documentId }: Document, tenantId = tenantA): Promise<DocumentState | undefined> => {
    const { document } = await program.client.getDocument({ documentId }, as(tenantId));
    return document?.state;
  };
  const allReady = (documents: readonly Document[]) =>
    eventually(
      async () =>
        (await Promise.all(documents.map((document) => stateOf(document)))).every((s) => s === DocumentState.READY),
      { timeoutMs: settleMs, description: 'all READY' },
    );

  it('takes a document from upload to READY, and a watcher sees it', async () => {
    const { documentId } = await upload(program, await pagesPdf(5), { fileName: 'stations.pdf' });
    const seen = await collect(program.client.watchDocument({ documentId }, as(tenantA)));
    expect(seen.at(-1)?.document).to.include({ state: DocumentState.READY, percent: 100, pageCount: 5 });
    const percents = seen.map(({ document }) => document?.percent ?? -1);
    expect(percents).to.deep.equal([...percents].sort((a, b) => a - b));
  }).timeout(settleMs);

  it('says why a document cannot be read, and goes on with the others', async () => {
    const spinning = await upload(program, spinningPdf(), { fileName: 'spin.pdf' });
    const locked = await upload(program, await textPdf(['x'], { userPassword: 'p' }));
    const good = await upload(program, await textPdf(['fine']));
    await allReady([good]);
    for (const [document, reasons] of [
      [spinning, ['EXTRACTION_TIMEOUT', 'EXTRACTION_MEMORY']],
      [locked, ['PDF_ENCRYPTED']],
    ] as const) {
      const seen = await collect(program.client.watchDocument({ documentId: document.documentId }, as(tenantA)));
      expect(seen.at(-1)?.document?.failure?.reason).to.be.oneOf([...reasons]);
    }
  }).timeout(settleMs);

  it('accepts while the queue is away, and finishes every document when it is back', async () => {
    const refusal = await program.queueDatabase.refuseConnections();
    const documents: Document[] = [];
    try {
      for (let n = 0; n < 3; n += 1) documents.push(await upload(program, `note ${String(n)}`));
      for (const document of documents) expect(await stateOf(document)).to.equal(DocumentState.RECEIVED);
    } finally {
      await refusal.accept();
    }
    await allReady(documents);
  }).timeout(2 * settleMs);

  it('answers 503 while the database is away, and works when it is back', async () => {
    const document = await upload(program, 'note');
    const refusal = await program.database.refuseConnections();
    try {
      expect(await reasonOf(stateOf(document))).to.equal('DATABASE_UNAVAILABLE');
      expect(await reasonOf(upload(program, 'note'))).to.equal('DATABASE_UNAVAILABLE');
    } finally {
      await refusal.accept();
    }
    await allReady([document]);
  }).timeout(settleMs);

  it('is killed in the middle and loses nothing', async () => {
    const documents: Document[] = [];
    for (let n = 0; n < 6; n += 1) documents.push(await upload(program, await pagesPdf(200 + n)));
    expect(await program.stop('SIGKILL')).to.equal(null);
    await program.start();
    await allReady(documents);
  }).timeout(2 * settleMs);

  it('knows a tenant’s documents only by that tenant’s principal', async () => {
    const document = await upload(program, 'note', { tenantId: tenantB });
    expect(await reasonOf(stateOf(document))).to.equal('DOCUMENT_NOT_FOUND');
    expect(await stateOf(document, tenantB)).not.to.equal(undefined);
  });

  it('ends with 0 when it is asked to, and leaves no process behind', async () => {
    await upload(program, spinningPdf(), { fileName: 'spin.pdf' });
    const processes = await program.processes();
    expect(processes.length).to.be.greaterThan(1);
    expect(await program.stop('SIGTERM')).to.equal(0);
    await eventually(() => processes.every((pid) => !isAlive(pid)));
    await program.start();
  }).timeout(settleMs);

  it('takes its extraction processes with it when it is killed', async () => {
    await upload(program, spinningPdf(), { fileName: 'spin.pdf' });
    const processes = await program.processes();
    await program.stop('SIGKILL');
    await eventually(() => processes.every((pid) => !isAlive(pid)), { timeoutMs: 5_000 });
    await program.start();
  }).timeout(settleMs);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
