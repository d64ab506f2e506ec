import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, textPdf } from '@wardstone/testing';
import { DocumentState } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { expect } from 'chai';
import { as, openHarness, tenantA, type Harness } from './support/harness.ts';
import { collect, completeOf, reasonOf, upload, uploadMessages, type UploadMessage } from './support/upload.ts';

describe('UploadDocument', () => {
  let harness: Harness;
  before(async () => {
    harness = await openHarness({ maxUploadBytes: 300_000 });
  });
  after(() => harness.close());
  beforeEach(() => {
    Object.assign(harness.faults, { audit: false, queue: false, objects: false, index: false });
    harness.events.length = 0;
  });

  const rows = () => harness.testDatabase.query('select * from ingestion.document');
  const files = () => readdir(harness.objectsDir, { recursive: true, withFileTypes: true });
  const objectCount = async (): Promise<number> => (await files()).filter((entry) => entry.isFile()).length;

  /** Runs something that must leave no row and no object behind. */
  async function leavesNothing(work: () => Promise<void>): Promise<void> {
    const [rowsBefore, objectsBefore, flowsBefore] = [(await rows()).length, await objectCount(), harness.flows.size];
    await work();
    expect((await rows()).length, 'rows').to.equal(rowsBefore);
    expect(await objectCount(), 'objects').to.equal(objectsBefore);
    expect(harness.flows.size, 'flows').to.equal(flowsBefore);
  }

  const send = (messages: AsyncIterable<UploadMessage>) => harness.client.uploadDocument(messages, as(tenantA));

  it('stores the original, adds the flow, records the event and answers', async () => {
    const pdf = await textPdf(['Metformin 500 mg twice daily.']);
    const document = await upload(harness, pdf, {
      fileName: '/home/ward/visit.pdf',
      title: ' Visit  one ',
      pieceBytes: 100,
    });
    expect(document).to.include({
      version: 1,
      title: 'Visit one',
      fileName: 'visit.pdf',
      mediaType: 'application/pdf',
      sizeBytes: BigInt(pdf.length),
      state: DocumentState.RECEIVED,
      percent: 0,
      createdBy: 'user-1',
    });
    expect(harness.flows.get(document.documentId)?.job).to.deep.include({
      requestId: 'request-1',
      requestedBy: 'user-1',
    });
    const [event] = harness.events;
    expect(event).to.include({ action: 'document.create', outcome: 'success' });
    expect(event?.principal).to.include({ subject: 'user-1', tenantId: tenantA });
    const original = await harness.objects.read({
      tenantId: tenantA,
      documentId: document.documentId,
      version: 1,
      name: 'original',
    });
    expect(Buffer.concat(await original.toArray()).equals(pdf)).to.equal(true);
  });

  it('believes the bytes, not the name', async () => {
    const text = await upload(harness, 'Plain words.', { fileName: 'scan.pdf' });
    expect(text.mediaType).to.equal('text/plain');
    const pdf = await upload(harness, await textPdf(['x']), { fileName: 'notes.txt' });
    expect(pdf.mediaType).to.equal('application/pdf');
  });

  it('holds nothing in clear, neither in the database nor in the store nor in the log', async () => {
    await upload(harness, 'Zanamivir for Mortimer Quill', { fileName: 'Mortimer Quill.txt', title: 'Quill visit' });
    const dump = JSON.stringify(await rows());
    const stored = await Promise.all(
      (await files())
        .filter((entry) => entry.isFile())
        .map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')),
    );
    const everything = [dump, ...stored, ...harness.logs].join('\n');
    expect(everything).not.to.match(/Zanamivir|Mortimer|Quill/i);
  });

  it('refuses an empty file, with and without messages of no bytes', async () => {
    await leavesNothing(async () => {
      expect(await reasonOf(upload(harness, ''))).to.equal('EMPTY_FILE');
      expect(await reasonOf(send(withData([Buffer.alloc(0), Buffer.alloc(0)])))).to.equal('EMPTY_FILE');
    });
  });

  it('refuses other formats before anything is stored', async () => {
    await leavesNothing(async () => {
      expect(await reasonOf(upload(harness, Buffer.from('PK\u0003\u0004rest'), { fileName: 'a.pdf' }))).to.equal(
        'UNSUPPORTED_TYPE',
      );
      expect(await reasonOf(upload(harness, Buffer.from([0x41, 0xe9, 0x41])))).to.equal('TEXT_ENCODING');
    });
  });

  it('takes a file as large as allowed and refuses one byte more', async () => {
    expect(await reasonOf(upload(harness, 'a'.repeat(300_000)))).to.equal('none');
    await leavesNothing(async () => {
      expect(await reasonOf(upload(harness, 'a'.repeat(300_001)))).to.equal('FILE_TOO_LARGE');
    });
  });

  it('refuses messages that do not come as agreed', async () => {
    const metadata = { part: { case: 'metadata', value: { fileName: 'a.txt' } } } as const;
    const data = { part: { case: 'data', value: Buffer.from('words') } } as const;
    await leavesNothing(async () => {
      expect(await reasonOf(send(messages([])))).to.equal('UPLOAD_PROTOCOL');
      expect(await reasonOf(send(messages([data])))).to.equal('UPLOAD_PROTOCOL');
      expect(await reasonOf(send(messages([metadata, metadata])))).to.equal('UPLOAD_PROTOCOL');
      expect(await reasonOf(send(messages([metadata, data, metadata])))).to.equal('UPLOAD_PROTOCOL');
      const long = { part: { case: 'data', value: Buffer.from('a'.repeat(20_000)) } } as const;
      expect(await reasonOf(send(messages([metadata, long, metadata])))).to.equal('UPLOAD_PROTOCOL');
      const complete = completeOf(data.part.value);
      expect(await reasonOf(send(messages([complete])))).to.equal('UPLOAD_PROTOCOL');
      expect(await reasonOf(send(messages([metadata, data, complete, complete])))).to.equal('UPLOAD_PROTOCOL');
      expect(await reasonOf(send(messages([metadata, data, complete, data])))).to.equal('UPLOAD_PROTOCOL');
      const completeLong = completeOf(long.part.value);
      expect(await reasonOf(send(messages([metadata, long, completeLong, long])))).to.equal('UPLOAD_PROTOCOL');
    });
  });

  it('refuses metadata that is not valid', async () => {
    await leavesNothing(async () => {
      expect(await reasonOf(upload(harness, 'x', { fileName: '' }))).to.equal('INVALID_ARGUMENT');
      expect(await reasonOf(upload(harness, 'x', { title: 'a'.repeat(501) }))).to.equal('INVALID_ARGUMENT');
      expect(await reasonOf(upload(harness, 'x', { idempotencyKey: 'with blank' }))).to.equal('INVALID_ARGUMENT');
    });
  });

  it('leaves nothing of an upload that was cut in the middle', async () => {
    await leavesNothing(async () => {
      const controller = new AbortController();
      async function* cut(): AsyncGenerator<UploadMessage> {
        for (const message of (await collect(uploadMessages(Buffer.from('a'.repeat(100_000))))).slice(0, -1))
          yield message;
        controller.abort();
        // Never ends by itself: only the cut does.
        await new Promise(() => undefined);
      }
      const response = harness.client.uploadDocument(cut(), as(tenantA, { signal: controller.signal }));
      expect(await reasonOf(response)).to.be.oneOf(['CANCELLED', 'UPLOAD_INCOMPLETE']);
      await uploadingRowsGone(harness);
    });
  });

  it('does not accept what cannot be recorded', async () => {
    harness.faults.audit = true;
    await leavesNothing(async () => {
      expect(await reasonOf(upload(harness, 'words'))).to.equal('AUDIT_UNAVAILABLE');
    });
  });

  it('does not accept what cannot be stored', async () => {
    harness.faults.objects = true;
    expect(await reasonOf(upload(harness, 'words'))).to.equal('OBJECT_STORE_UNAVAILABLE');
    const givenUp = (await rows()).filter((row) => row['state'] === 'DELETING');
    expect(givenUp, 'left to the reconciler, seen by nobody').to.have.length(1);
    const { documents } = await harness.client.listDocuments({ pageSize: 200 }, as(tenantA));
    expect(documents.map(({ documentId }) => documentId)).not.to.include(givenUp[0]?.['document_id']);
  });

  it('accepts although the queue is away: the document waits as RECEIVED', async () => {
    harness.faults.queue = true;
    const { documentId, state } = await upload(harness, 'words');
    expect(state).to.equal(DocumentState.RECEIVED);
    expect(harness.flows.has(documentId)).to.equal(false);
  });

  it('answers DATABASE_UNAVAILABLE while the database is away, and works when it is back', async () => {
    const refusal = await harness.testDatabase.refuseConnections();
    try {
      expect(await reasonOf(upload(harness, 'words'))).to.equal('DATABASE_UNAVAILABLE');
    } finally {
      await refusal.accept();
    }
    expect(await reasonOf(upload(harness, 'words'))).to.equal('none');
  });
});

async function* messages(list: readonly UploadMessage[]): AsyncGenerator<UploadMessage> {
  for (const message of list) yield await Promise.resolve(message);
}

async function* withData(pieces: readonly Buffer[]): AsyncGenerator<UploadMessage> {
  yield { part: { case: 'metadata', value: { fileName: 'a.txt' } } };
  for (const value of pieces) yield await Promise.resolve({ part: { case: 'data', value } } as const);
  yield completeOf(Buffer.concat(pieces));
}

async function uploadingRowsGone(harness: Harness): Promise<void> {
  await eventually(async () => {
    const left = await harness.testDatabase.query(
      `select 1 from ingestion.document where state = 'UPLOADING' and updated_at > now() - interval '5 seconds'`,
    );
    return left.length === 0;
  });
}
