import { DocumentState, type WatchDocumentResponse } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { advance, settle } from '../src/db/documents.ts';
import { as, openHarness, tenantA, type Harness } from './support/harness.ts';
import { collect, reasonOf, upload } from './support/upload.ts';

describe('WatchDocument', () => {
  let harness: Harness;
  const open = async (watchIntervalMs: number): Promise<void> => {
    harness = await openHarness({ watchIntervalMs });
  };
  afterEach(() => harness.close());

  const move = (documentId: string, state: 'EXTRACTING' | 'EMBEDDING' | 'INDEXING', percent: number) =>
    harness.database.inTenant(tenantA, (tx) => advance(tx, { documentId, version: 1 }, state, percent));
  const ready = (documentId: string) =>
    harness.database.inTenant(tenantA, (tx) => settle(tx, { documentId, version: 1 }, { state: 'READY' }));
  const seen = (responses: readonly WatchDocumentResponse[]) =>
    responses.map(({ document }) => [nameOf(document?.state), document?.percent]);

  it('sends the document now, after every change, and ends when it is READY', async () => {
    await open(60_000);
    const { documentId } = await upload(harness, 'words');
    const responses: WatchDocumentResponse[] = [];
    const watching = (async () => {
      for await (const response of harness.client.watchDocument({ documentId }, as(tenantA))) responses.push(response);
    })();
    await eventually(() => responses.length === 1);
    await move(documentId, 'EXTRACTING', 50);
    await eventually(() => responses.length === 2);
    await move(documentId, 'INDEXING', 0);
    await eventually(() => responses.length === 3);
    await ready(documentId);
    await watching;
    expect(seen(responses)).to.deep.equal([
      ['RECEIVED', 0],
      ['EXTRACTING', 20],
      ['INDEXING', 80],
      ['READY', 100],
    ]);
  });

  it('sends a document that has ended once', async () => {
    await open(60_000);
    const { documentId } = await upload(harness, 'words');
    await ready(documentId);
    const responses = await collect(harness.client.watchDocument({ documentId }, as(tenantA)));
    expect(seen(responses)).to.deep.equal([['READY', 100]]);
  });

  it('does not repeat itself when it looks and finds nothing new', async () => {
    await open(60_000);
    const { documentId } = await upload(harness, 'words');
    const watching = collect(harness.client.watchDocument({ documentId }, as(tenantA)));
    await eventually(() => harness.events.some(({ action }) => action === 'document.watch'));
    for (let n = 0; n < 5; n += 1)
      await harness.testDatabase.query('update ingestion.document set revision = revision');
    await ready(documentId);
    expect(seen(await watching)).to.deep.equal([
      ['RECEIVED', 0],
      ['READY', 100],
    ]);
  });

  it('ends with DELETING when the document is deleted', async () => {
    await open(60_000);
    const { documentId } = await upload(harness, 'words');
    const watching = collect(harness.client.watchDocument({ documentId }, as(tenantA)));
    await eventually(() => harness.events.some(({ action }) => action === 'document.watch'));
    await harness.client.deleteDocument({ documentId }, as(tenantA));
    expect(seen(await watching).at(-1)?.[0]).to.equal('DELETING');
  });

  it('finds out by itself when announcements are lost', async () => {
    await open(50);
    await harness.testDatabase.query('drop trigger document_changed on ingestion.document');
    const { documentId } = await upload(harness, 'words');
    const watching = collect(harness.client.watchDocument({ documentId }, as(tenantA)));
    await eventually(() => harness.events.some(({ action }) => action === 'document.watch'));
    await ready(documentId);
    expect(seen(await watching).at(-1)).to.deep.equal(['READY', 100]);
  });

  it('outlives a database that goes away', async () => {
    await open(50);
    const { documentId } = await upload(harness, 'words');
    const watching = collect(harness.client.watchDocument({ documentId }, as(tenantA)));
    await eventually(() => harness.events.some(({ action }) => action === 'document.watch'));
    const refusal = await harness.testDatabase.refuseConnections();
    expect(await reasonOf(harness.client.getDocument({ documentId }, as(tenantA)))).to.equal('DATABASE_UNAVAILABLE');
    await refusal.accept();
    await eventually(() => ready(documentId).then(() => true));
    expect(seen(await watching).at(-1)).to.deep.equal(['READY', 100]);
  });

  it('serves a bounded number of watchers, and frees a place when one goes', async () => {
    await open(60_000);
    const { documentId } = await upload(harness, 'words');
    const controllers = [1, 2, 3].map(() => new AbortController());
    const watches = controllers.map(({ signal }) =>
      collect(harness.client.watchDocument({ documentId }, as(tenantA, { signal }))).catch(() => undefined),
    );
    await eventually(() => harness.events.filter(({ action }) => action === 'document.watch').length === 3);
    const fourth = () => collect(harness.client.watchDocument({ documentId }, as(tenantA)));
    expect(await reasonOf(fourth())).to.equal('RATE_LIMITED');
    controllers[0]?.abort();
    await ready(documentId);
    await eventually(async () => (await reasonOf(fourth())) === 'none');
    for (const controller of controllers) controller.abort();
    await Promise.all(watches);
  });
});

function nameOf(state: DocumentState | undefined): string | undefined {
  return Object.entries(DocumentState).find(([, value]) => value === state)?.[0];
}
