import { encodePageToken } from '@wardstone/rpc';
import { DocumentState } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { settle } from '../src/db/documents.ts';
import { as, openHarness, tenantA, tenantB, type Harness } from './support/harness.ts';
import { collect, reasonOf, upload } from './support/upload.ts';

describe('reading documents', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness();
  });
  after(() => harness.close());
  beforeEach(() => {
    harness.faults.audit = false;
    harness.events.length = 0;
  });

  describe('GetDocument', () => {
    it('gives metadata and state, after the read was recorded', async () => {
      const { documentId } = await upload(harness, 'words', { title: 'A title' });
      const { document } = await harness.client.getDocument({ documentId }, as(tenantA));
      expect(document).to.include({
        documentId,
        title: 'A title',
        fileName: 'note.txt',
        state: DocumentState.RECEIVED,
      });
      expect(document?.etag).to.equal('1-2');
      expect(harness.events.at(-1)).to.deep.include({
        action: 'document.read',
        resourceIds: [documentId],
        outcome: 'success',
      });
    });

    it('says why a document failed', async () => {
      const { documentId } = await upload(harness, 'words');
      await harness.database.inTenant(tenantA, (tx) =>
        settle(tx, { documentId, version: 1 }, { state: 'FAILED', reason: 'NO_TEXT' }),
      );
      const { document } = await harness.client.getDocument({ documentId }, as(tenantA));
      expect(document?.failure).to.include({ reason: 'NO_TEXT' });
      expect(document?.failure?.message).to.match(/holds no text/);
    });

    it('gives nothing while the audit log is away', async () => {
      const { documentId } = await upload(harness, 'words');
      harness.faults.audit = true;
      expect(await reasonOf(harness.client.getDocument({ documentId }, as(tenantA)))).to.equal('AUDIT_UNAVAILABLE');
      const download = collect(harness.client.downloadDocument({ documentId }, as(tenantA)));
      expect(await reasonOf(download)).to.equal('AUDIT_UNAVAILABLE');
      expect(await reasonOf(harness.client.listDocuments({}, as(tenantA)))).to.equal('AUDIT_UNAVAILABLE');
      const watch = collect(harness.client.watchDocument({ documentId }, as(tenantA)));
      expect(await reasonOf(watch)).to.equal('AUDIT_UNAVAILABLE');
    });

    it('refuses an id that is none', async () => {
      expect(await reasonOf(harness.client.getDocument({ documentId: 'x' }, as(tenantA)))).to.equal('INVALID_ARGUMENT');
    });
  });

  it('tells another tenant’s document from one that never was by nothing', async () => {
    const { documentId } = await upload(harness, 'words', { tenantId: tenantB });
    const never = uuidv7();
    const calls: readonly ((id: string) => Promise<unknown>)[] = [
      (id) => harness.client.getDocument({ documentId: id }, as(tenantA)),
      (id) => harness.client.deleteDocument({ documentId: id }, as(tenantA)),
      (id) => harness.client.deleteDocument({ documentId: id, etag: '1-1' }, as(tenantA)),
      (id) => collect(harness.client.downloadDocument({ documentId: id }, as(tenantA))),
      (id) => collect(harness.client.watchDocument({ documentId: id }, as(tenantA))),
    ];
    for (const call of calls) {
      harness.events.length = 0;
      const [foreign, absent] = [await describeFailure(call(documentId)), await describeFailure(call(never))];
      expect(foreign).to.deep.equal(absent);
      expect(foreign['reason']).to.equal('DOCUMENT_NOT_FOUND');
      const [first, second] = harness.events.map(({ resourceIds: _ids, ...event }) => event);
      expect(first, 'recorded alike').to.deep.equal(second);
    }
    const progress = { documentId, version: 1, state: DocumentState.INDEXING, stagePercent: 50 };
    await harness.client.reportProgress(progress, as(tenantA));
    const { document } = await harness.client.getDocument({ documentId }, as(tenantB));
    expect(document?.state).to.equal(DocumentState.RECEIVED);
  });

  describe('ListDocuments', () => {
    const tenant = uuidv7();
    const ids: string[] = [];
    before(async () => {
      for (let n = 0; n < 5; n += 1)
        ids.unshift((await upload(harness, `words ${String(n)}`, { tenantId: tenant })).documentId);
    });
    const list = (request: object) => harness.client.listDocuments(request, as(tenant));

    it('gives the newest first, page by page, each once', async () => {
      const seen: string[] = [];
      let pageToken = '';
      do {
        const page = await list({ pageSize: 2, pageToken });
        seen.push(...page.documents.map(({ documentId }) => documentId));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      expect(seen).to.deep.equal(ids);
    });

    it('does not promise another page when there is none', async () => {
      expect((await list({ pageSize: 5 })).nextPageToken).to.equal('');
      expect((await list({ pageSize: 4 })).nextPageToken).not.to.equal('');
    });

    it('filters by state', async () => {
      const { documents } = await list({ states: [DocumentState.RECEIVED, DocumentState.READY] });
      expect(documents).to.have.length(5);
      expect((await list({ states: [DocumentState.READY] })).documents).to.have.length(0);
      expect((await list({ states: [DocumentState.DELETING] })).documents).to.have.length(0);
    });

    it('records every document that it shows', async () => {
      await list({});
      expect(harness.events.at(-1)).to.deep.include({ action: 'document.list', resourceIds: ids });
    });

    it('refuses page tokens that were made up, or made for another list', async () => {
      const { nextPageToken } = await list({ pageSize: 2 });
      const tampered = `${nextPageToken.slice(0, -4)}AAAA`;
      const invented = encodePageToken({ before: ids[0] ?? '', list: 'x' });
      for (const pageToken of ['x', '!!!', tampered, invented, Buffer.from('{}').toString('base64url')]) {
        expect(await reasonOf(list({ pageToken })), pageToken).to.equal('PAGE_TOKEN_INVALID');
      }
      const filtered = list({ pageToken: nextPageToken, states: [DocumentState.READY] });
      expect(await reasonOf(filtered)).to.equal('PAGE_TOKEN_INVALID');
      const foreign = harness.client.listDocuments({ pageToken: nextPageToken }, as(tenantB));
      expect(await reasonOf(foreign)).to.equal('PAGE_TOKEN_INVALID');
    });

    it('shows a tenant its own documents only', async () => {
      expect((await harness.client.listDocuments({}, as(uuidv7()))).documents).to.deep.equal([]);
    });
  });

  describe('DownloadDocument', () => {
    it('gives the metadata, then the bytes as they came, in pieces of at most 64 KiB', async () => {
      const body = Buffer.from('0123456789'.repeat(30_000));
      const { documentId } = await upload(harness, body);
      const [first, ...rest] = await collect(harness.client.downloadDocument({ documentId }, as(tenantA)));
      expect(first?.part.case).to.equal('document');
      const pieces = rest.map(({ part }) => (part.case === 'data' ? Buffer.from(part.value) : Buffer.alloc(0)));
      expect(Math.max(...pieces.map(({ length }) => length))).to.be.at.most(65_536);
      expect(Buffer.concat(pieces).equals(body)).to.equal(true);
      expect(harness.events.at(-1)).to.include({ action: 'document.download', outcome: 'success' });
    });

    it('ends in an error, not early, when the stored object was cut', async () => {
      const { documentId } = await upload(harness, Buffer.from('0123456789'.repeat(30_000)));
      const { truncate } = await import('node:fs/promises');
      const path = `${harness.objectsDir}/objects/tenants/${tenantA}/documents/${documentId}/1/original~`;
      await truncate(path, 200_000);
      const download = collect(harness.client.downloadDocument({ documentId }, as(tenantA)));
      expect(await reasonOf(download)).to.equal('SEALED_VALUE_INVALID');
    });
  });
});

async function describeFailure(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  try {
    await promise;
    return {};
  } catch (error) {
    const { reason, message, code, metadata } = error as Record<string, unknown>;
    return { reason, message, code, metadata };
  }
}
