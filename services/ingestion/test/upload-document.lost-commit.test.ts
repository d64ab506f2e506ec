import { readdir } from 'node:fs/promises';
import { openDatabase, type Database } from '@wardstone/db';
import { createInMemoryTransport, createServiceClient } from '@wardstone/rpc';
import { DocumentState, IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { expect } from 'chai';
import { entities } from '../src/db/entities.ts';
import { createReconciler } from '../src/jobs/reconciler.ts';
import { routes } from '../src/rpc/routes.ts';
import { openCommitProxy, type CommitProxy, type Cut } from './support/commit-proxy.ts';
import { bearing, trustingCheck } from '@wardstone/service-testing';
import { as, openHarness, tenantA, type Harness } from './support/harness.ts';
import { collect, reasonOf, upload } from './support/upload.ts';

describe('UploadDocument whose connection to the database dies in the commit', () => {
  const text = 'words '.repeat(10_000);
  let harness: Harness;
  let proxy: CommitProxy;
  let database: Database;
  /** The service over the proxy; the harness's own client goes past it. */
  let client: Harness['client'];

  beforeEach(async () => {
    harness = await openHarness();
    proxy = await openCommitProxy(harness.testDatabase.schema('ingestion').appUrl);
    const options = { schema: 'ingestion', entities, applicationName: 'ingestion-proxied', acquireTimeoutMs: 2_000 };
    database = await openDatabase({ ...options, url: proxy.url });
    const deps = { ...harness.deps, database };
    const { telemetry } = harness;
    const transport = createInMemoryTransport({ routes: routes(deps), telemetry, callerCheck: trustingCheck });
    const peer = { baseUrl: 'http://in-memory', audience: 'ingestion', authorize: bearing, transport };
    client = createServiceClient(IngestionService, peer);
  });
  afterEach(async () => {
    await database.close();
    await proxy.close();
    await harness.close();
  });

  const rows = () => harness.testDatabase.query('select document_id, state from ingestion.document');
  const objectCount = async (): Promise<number> => {
    const entries = await readdir(harness.objectsDir, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).length;
  };

  /** An upload whose row turns RECEIVED in a commit that is lost. */
  async function uploadLosing(cut: Cut): Promise<void> {
    proxy.cutAt(cut, 'RECEIVED');
    expect(await reasonOf(upload({ client }, text, { idempotencyKey: 'key' }))).to.equal('DATABASE_UNAVAILABLE');
    expect(proxy.cuts).to.equal(1);
  }

  it('keeps the document, with its bytes, when the commit was applied and only its answer was lost', async () => {
    await uploadLosing('after');
    const [row] = await rows();
    expect(row).to.include({ state: 'RECEIVED' });
    const documentId = String(row?.['document_id']);

    const messages = await collect(client.downloadDocument({ documentId }, as(tenantA)));
    const bytes = messages.flatMap(({ part }) => (part.case === 'data' ? [part.value] : []));
    expect(Buffer.concat(bytes).toString()).to.equal(text);

    const repeated = await upload({ client }, text, { idempotencyKey: 'key' });
    expect(repeated).to.include({ documentId, state: DocumentState.RECEIVED });
    expect(await rows()).to.have.length(1);

    const limits = { intervalMs: 60_000, graceMs: 0, uploadIdleMs: 60_000 };
    await createReconciler(harness.deps, limits).pass();
    expect([...harness.flows.keys()], 'the flow that the upload did not come to').to.deep.equal([documentId]);
  });

  it('leaves nothing when the commit never reached the database, and takes the repetition', async () => {
    await uploadLosing('before');
    expect(await rows()).to.deep.equal([]);
    expect(await objectCount()).to.equal(0);

    const { documentId } = await upload({ client }, text, { idempotencyKey: 'key' });
    expect(await rows()).to.deep.equal([{ document_id: documentId, state: 'RECEIVED' }]);
    expect([...harness.flows.keys()]).to.deep.equal([documentId]);
  });
});
