import { status } from '@grpc/grpc-js';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { notePdf, syntheticNote } from '../src/documents.ts';
import type { DocumentView } from '../src/rest.ts';
import { createRpcCaller, declaredRpcs, type RpcCaller, type ServiceName } from '../src/rpc-caller.ts';
import { ingest, startStack, type Stack } from '../src/stack.ts';
import type { Outcome } from '../src/stock-grpc.ts';

const neverExisted = '01900000-0000-7000-8000-000000000000';
const north = 0;
const lakeside = 1;

/** An RPC that names a document or a tenant by its id, and who may call it. */
interface Named {
  readonly service: ServiceName;
  readonly method: string;
  readonly peer: string;
  readonly role: string;
  readonly names: 'document' | 'tenant';
  readonly request: (id: string) => object;
}

const byDocument = (id: string) => ({ document_id: id });
const progress = (id: string) => ({ document_id: id, version: 1, state: 'DOCUMENT_STATE_INDEXING', stage_percent: 50 });
const document = { names: 'document', request: byDocument } as const;

const named: readonly Named[] = [
  { service: 'ingestion', method: 'GetDocument', peer: 'gateway', role: 'clinician', ...document },
  { service: 'ingestion', method: 'WatchDocument', peer: 'gateway', role: 'clinician', ...document },
  { service: 'ingestion', method: 'DownloadDocument', peer: 'gateway', role: 'clinician', ...document },
  { service: 'ingestion', method: 'DeleteDocument', peer: 'gateway', role: 'tenant_admin', ...document },
  {
    service: 'ingestion',
    method: 'ReportProgress',
    peer: 'retrieval',
    role: 'service',
    ...document,
    request: progress,
  },
  { service: 'retrieval', method: 'RemoveDocument', peer: 'ingestion', role: 'service', ...document },
  {
    service: 'tenant-key',
    method: 'GetTenant',
    peer: 'gateway',
    role: 'tenant_admin',
    names: 'tenant',
    request: (id) => ({ tenant_id: id }),
  },
];

/** RPCs that name nothing of another tenant's: what they give is looked at one by one below. */
const unnamed = [
  // Its idempotency key is looked at in tenants.isolation.test.ts; it names nothing else.
  'ingestion.UploadDocument',
  'ingestion.ListDocuments',
  // Keeps nothing and reads nothing.
  'embedding.Embed',
  'retrieval.Search',
  'llm.Answer',
  'audit.AppendEvents',
  'audit.ListEvents',
  'tenant-key.CreateTenant',
  'tenant-key.ListTenants',
  'tenant-key.GetDataKeys',
];

describe('every RPC, called for one tenant with what another has', function () {
  this.timeout(120_000);
  let stack: Stack;
  let rpc: RpcCaller;
  let owned: DocumentView;
  const note = syntheticNote(5, 'Alder');

  before(async () => {
    stack = await startStack('rpc-isolation');
    rpc = createRpcCaller(stack);
    owned = await ingest(stack.as('north-clinician'), note.fileName, await notePdf(note), note.title);
  });
  after(async () => stack.stop());

  const asLakeside = async (peer: string, role: string, service: ServiceName, method: string, request: object) =>
    rpc.as({ peer, role, tenant: lakeside }, service, method, request);

  it('is accounted for', () => {
    const rows = [...named.map(({ service, method }) => `${service}.${method}`), ...unnamed];
    expect(rows.sort()).to.deep.equal([...declaredRpcs].sort());
  });

  for (const { service, method, peer, role, names, request } of named) {
    it(`${service}.${method} answers as if the ${names} had never existed`, async () => {
      const others = names === 'document' ? owned.documentId : (stack.platform.accounts.tenants[north]?.id ?? '');
      const other = await asLakeside(peer, role, service, method, request(others));
      const absent = await asLakeside(peer, role, service, method, request(neverExisted));
      expect(comparable(other, others)).to.deep.equal(comparable(absent, neverExisted));
    });
  }

  it('search and answer hold nothing of it, asked with its words and its id', async () => {
    for (const request of [{}, { document_ids: [owned.documentId] }]) {
      const found = await asLakeside('gateway', 'clinician', 'retrieval', 'Search', {
        query: note.question,
        ...request,
      });
      expect(found.code, found.details).to.equal(status.OK);
      expect(found.messages[0]?.['hits']).to.deep.equal([]);
      const answer = await asLakeside('gateway', 'clinician', 'llm', 'Answer', { question: note.question, ...request });
      expect(answer.code, answer.details).to.equal(status.OK);
      expect(JSON.stringify(answer.messages)).to.not.contain(owned.documentId).and.not.contain('Quillfeather');
    }
  });

  it('list shows none of its documents', async () => {
    const listed = await asLakeside('gateway', 'clinician', 'ingestion', 'ListDocuments', { page_size: 100 });
    expect(listed.messages[0]?.['documents']).to.deep.equal([]);
  });

  it('the audit log of the one neither shows nor takes events of the other', async () => {
    const eventsOf = async (tenant: number, filter: object): Promise<{ event_id: string; tenant_id: string }[]> => {
      const caller = { peer: 'gateway', role: 'auditor', tenant };
      const listed = await rpc.as(caller, 'audit', 'ListEvents', { page_size: 500, ...filter });
      return listed.messages[0]?.['events'] as { event_id: string; tenant_id: string }[];
    };
    const northern = await eventsOf(north, {});
    const ids = new Set(northern.map(({ event_id: id }) => id));
    expect((await eventsOf(lakeside, {})).filter(({ event_id: id }) => ids.has(id))).to.deep.equal([]);
    // The id of an event that the other has: it must neither be answered from there nor change anything there.
    const repeated = {
      event_id: northern[0]?.event_id,
      occurred_at: { seconds: '1790000000', nanos: 0 },
      action: 'document.read',
      resource_type: 'document',
      resource_ids: [owned.documentId],
      outcome: 'OUTCOME_SUCCESS',
    };
    const appended = await asLakeside('ingestion', 'clinician', 'audit', 'AppendEvents', { events: [repeated] });
    expect(appended.code, appended.details).to.equal(status.OK);
    const mine = await eventsOf(lakeside, { resource_id: owned.documentId });
    const lakesideId = stack.platform.accounts.tenants[lakeside]?.id;
    expect(mine.every(({ tenant_id: id }) => id === lakesideId)).to.equal(true);
    expect(mine.some(({ event_id: id }) => id === repeated.event_id)).to.equal(true);
    expect((await eventsOf(north, {})).find(({ event_id: id }) => id === repeated.event_id)).to.deep.equal(northern[0]);
  });

  it('keys of one tenant are not those of the other, for any purpose', async () => {
    for (const purpose of ['KEY_PURPOSE_CONTENT', 'KEY_PURPOSE_OBJECTS']) {
      const keys = await Promise.all(
        [north, lakeside].map(async (tenant) => {
          const caller = { peer: 'ingestion', role: 'service', tenant };
          const given = await rpc.as(caller, 'tenant-key', 'GetDataKeys', { purpose });
          return (given.messages[0]?.['data_key'] as { key: Buffer } | undefined)?.key;
        }),
      );
      expect(keys[0]).to.have.length(32);
      expect(keys[0]?.equals(keys[1] ?? Buffer.alloc(0))).to.equal(false);
    }
  });

  it('tenants are made and listed by the platform alone', async () => {
    for (const [method, request] of [
      ['ListTenants', {}],
      ['CreateTenant', { display_name: 'Another' }],
    ] as const) {
      const reply = await asLakeside('gateway', 'tenant_admin', 'tenant-key', method, request);
      expect(reply.code, method).to.equal(status.PERMISSION_DENIED);
    }
  });

  it('and after all this the document is as it was, and is found', async () => {
    const rest = stack.as('north-clinician');
    expect((await rest.document(owned.documentId)).body).to.deep.equal(owned);
    await eventually(async () => (await rest.search(note.question)).body.hits[0]?.documentId === owned.documentId, {
      description: 'the document to be found',
    });
  });
});

/** What may differ between two refusals: nothing but the id that was asked for. */
function comparable({ code, details, messages }: Outcome, id: string): unknown {
  return JSON.parse(JSON.stringify({ code, details, messages }).replaceAll(id, 'ID')) as unknown;
}
