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

/** An RPC that names something of a tenant, or the tenant, by its id, and who may call it. */
interface Named {
  readonly service: ServiceName;
  readonly method: string;
  readonly peer: string;
  readonly role: string;
  readonly names: 'document' | 'tenant' | 'rotation' | 'offboarding' | 'conversation';
  readonly request: (id: string) => object;
  /** Said of what is not there, it is no error: there is nothing to do. */
  readonly takesAbsent?: true;
}

const byDocument = (id: string) => ({ document_id: id });
const progress = (id: string) => ({ document_id: id, version: 1, state: 'DOCUMENT_STATE_INDEXING', stage_percent: 50 });
const document = { names: 'document', request: byDocument } as const;
const tenant = { names: 'tenant', request: (id: string) => ({ tenant_id: id }) } as const;
/** Asked by somebody whose subject is the same in both tenants. */
const conversing = {
  service: 'llm',
  peer: 'gateway',
  role: 'clinician',
  names: 'conversation',
  request: (id: string) => ({ conversation_id: id }),
} as const;
/** Asked by an administrator of a tenant. */
const administrated = { service: 'tenant-key', peer: 'gateway', role: 'tenant_admin' } as const;
/** An offboarding in the tenant that it is of, as the other's administrator would name it. */
const decision = (id: string) => ({ tenant_id: id, offboarding_id: neverExisted });

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
    takesAbsent: true,
  },
  {
    service: 'retrieval',
    method: 'RemoveDocument',
    peer: 'ingestion',
    role: 'service',
    ...document,
    takesAbsent: true,
  },
  { ...conversing, method: 'GetConversation' },
  { ...conversing, method: 'DeleteConversation' },
  { ...conversing, method: 'Answer', request: (id) => ({ question: 'And then?', conversation_id: id }) },
  { ...administrated, method: 'GetTenant', ...tenant },
  { ...administrated, method: 'SuspendTenant', ...tenant },
  { ...administrated, method: 'ResumeTenant', ...tenant },
  { ...administrated, method: 'StartKeyRotation', ...tenant },
  { ...administrated, method: 'GetKeyRotation', ...tenant },
  { ...administrated, method: 'GetKeyRotation', names: 'rotation', request: (id) => ({ rotation_id: id }) },
  { ...administrated, method: 'RequestOffboarding', ...tenant },
  { ...administrated, method: 'ApproveOffboarding', names: 'tenant', request: decision },
  { ...administrated, method: 'ApproveOffboarding', names: 'offboarding', request: (id) => ({ offboarding_id: id }) },
  { ...administrated, method: 'CancelOffboarding', names: 'tenant', request: decision },
  { ...administrated, method: 'CancelOffboarding', names: 'offboarding', request: (id) => ({ offboarding_id: id }) },
  { ...administrated, method: 'GetOffboarding', ...tenant },
  {
    service: 'tenant-key',
    method: 'BeginTenantWork',
    peer: 'ingestion',
    role: 'service',
    names: 'rotation',
    request: (id) => ({ work_id: id, kind: 'TENANT_WORK_KIND_RESEAL' }),
  },
  {
    service: 'tenant-key',
    method: 'ReportTenantWork',
    peer: 'ingestion',
    role: 'service',
    // Work has the id of the rotation that it belongs to.
    names: 'rotation',
    request: (id) => ({ work_id: id, documents_done: 1, documents_left: 0 }),
  },
];

/** RPCs that name nothing of another tenant's: what they give is looked at one by one below. */
const unnamed = [
  // Its idempotency key is looked at in tenants.isolation.test.ts; it names nothing else.
  'ingestion.UploadDocument',
  'ingestion.ListDocuments',
  // Keeps nothing and reads nothing.
  'embedding.Embed',
  // The same for every tenant.
  'embedding.GetModels',
  'retrieval.Search',
  'llm.CreateConversation',
  'llm.ListConversations',
  'llm.GetAnswerSettings',
  'llm.UpdateAnswerSettings',
  'llm.GetUsage',
  // The same for every tenant.
  'llm.ListModels',
  'audit.AppendEvents',
  'audit.ListEvents',
  'tenant-key.CreateTenant',
  'tenant-key.ListTenants',
  'tenant-key.GetDataKeys',
  // For services, of every tenant: who may ask is looked at below.
  'tenant-key.WatchTenants',
  'tenant-key.ListTenantWork',
];

describe('every RPC, called for one tenant with what another has', function () {
  this.timeout(120_000);
  let stack: Stack;
  let rpc: RpcCaller;
  let owned: DocumentView;
  /** What the other tenant has, by kind. */
  let others: Readonly<Record<Named['names'], string>>;
  const note = syntheticNote(5, 'Alder');

  before(async () => {
    stack = await startStack('rpc-isolation');
    rpc = createRpcCaller(stack);
    owned = await ingest(stack.as('north-clinician'), note.fileName, await notePdf(note), note.title);
    const administrator = { peer: 'gateway', role: 'tenant_admin', tenant: north };
    const started = await rpc.as(administrator, 'tenant-key', 'StartKeyRotation', {});
    const requested = await rpc.as(administrator, 'tenant-key', 'RequestOffboarding', {});
    const speaker = { peer: 'gateway', role: 'clinician', tenant: north };
    const begun = await rpc.as(speaker, 'llm', 'CreateConversation', { title: 'Alder' });
    const { conversation_id: conversation } = begun.messages[0]?.['conversation'] as { conversation_id: string };
    await rpc.as(speaker, 'llm', 'Answer', { question: note.question, conversation_id: conversation });
    others = {
      document: owned.documentId,
      conversation,
      tenant: stack.platform.accounts.tenants[north]?.id ?? '',
      rotation: (started.messages[0]?.['rotation'] as { rotation_id: string }).rotation_id,
      offboarding: (requested.messages[0]?.['offboarding'] as { offboarding_id: string }).offboarding_id,
    };
  });
  after(async () => stack.stop());

  const asLakeside = async (peer: string, role: string, service: ServiceName, method: string, request: object) =>
    rpc.as({ peer, role, tenant: lakeside }, service, method, request);

  it('is accounted for', () => {
    const rows = [...new Set(named.map(({ service, method }) => `${service}.${method}`)), ...unnamed];
    expect(rows.sort()).to.deep.equal([...declaredRpcs].sort());
  });

  for (const { service, method, peer, role, names, request, takesAbsent = false } of named) {
    it(`${service}.${method} answers as if the ${names} had never existed`, async () => {
      const other = await asLakeside(peer, role, service, method, request(others[names]));
      const absent = await asLakeside(peer, role, service, method, request(neverExisted));
      expect(other.code === status.OK, other.details).to.equal(takesAbsent);
      expect(comparable(other, others[names])).to.deep.equal(comparable(absent, neverExisted));
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

  it('conversations, settings and usage of the one are not shown, changed or counted by the other', async () => {
    const settings = async (tenant: number): Promise<unknown> => {
      const caller = { peer: 'gateway', role: 'tenant_admin', tenant };
      return (await rpc.as(caller, 'llm', 'GetAnswerSettings', {})).messages[0]?.['settings'];
    };
    const usage = async (): Promise<unknown> =>
      (await rpc.as({ peer: 'gateway', role: 'tenant_admin', tenant: north }, 'llm', 'GetUsage', {})).messages[0];
    const [northern, used] = [await settings(north), await usage()];
    expect(JSON.stringify(used)).to.contain('"answers"');
    const listed = await asLakeside('gateway', 'clinician', 'llm', 'ListConversations', {});
    expect(listed.messages[0]?.['conversations']).to.deep.equal([]);
    const wanted = { model: 'fast', citation_policy: 'CITATION_POLICY_REFUSE', monthly_budget_micro_usd: '1' };
    const updated = await asLakeside('gateway', 'tenant_admin', 'llm', 'UpdateAnswerSettings', { settings: wanted });
    expect(updated.code, updated.details).to.equal(status.OK);
    await asLakeside('gateway', 'clinician', 'llm', 'Answer', { question: note.question });
    expect(await settings(north)).to.deep.equal(northern);
    expect(await usage()).to.deep.equal(used);
    const mine = { peer: 'gateway', role: 'clinician', tenant: north };
    const kept = await rpc.as(mine, 'llm', 'GetConversation', { conversation_id: others.conversation });
    expect(kept.messages[0]?.['turns']).to.have.length(1);
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

  it('work is listed and tenants are watched by services alone, which are told no more than ids', async () => {
    for (const [method, role] of [
      ['ListTenantWork', 'tenant_admin'],
      ['WatchTenants', 'platform_admin'],
    ] as const) {
      const reply = await asLakeside('gateway', role, 'tenant-key', method, {});
      expect({ code: reply.code, messages: reply.messages }, method).to.deep.equal({
        code: status.PERMISSION_DENIED,
        messages: [],
      });
    }
    const listed = await asLakeside('ingestion', 'service', 'tenant-key', 'ListTenantWork', {});
    for (const work of listed.messages[0]?.['work'] as object[]) {
      expect(work).to.have.all.keys('work_id', 'tenant_id', 'kind', 'key_version', 'settled_at');
    }
  });

  it('the rotation and the offboarding of the one are as they were', async () => {
    const auditor = { peer: 'gateway', role: 'auditor', tenant: north };
    const rotation = await rpc.as(auditor, 'tenant-key', 'GetKeyRotation', {});
    expect(rotation.messages[0]?.['rotation']).to.include({ rotation_id: others.rotation, key_version: 2 });
    const offboarding = await rpc.as(auditor, 'tenant-key', 'GetOffboarding', {});
    expect(offboarding.messages[0]?.['offboarding']).to.include({
      offboarding_id: others.offboarding,
      state: 'OFFBOARDING_STATE_REQUESTED',
    });
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
