import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { repositoryDir } from '@wardstone/local/platform/layout';
import { clientToken } from '@wardstone/local/sign-in/client';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { notePdf, syntheticNote } from '../src/documents.ts';
import { createRpcCaller, declaredRpcs, rpcs, type RpcCaller, type ServiceName, services } from '../src/rpc-caller.ts';
import { startStack, type Stack } from '../src/stack.ts';
import type { Outcome } from '../src/stock-grpc.ts';

describe('a stock @grpc/grpc-js client', function () {
  this.timeout(120_000);
  let stack: Stack;
  let documentId = '';
  let rpc: RpcCaller;
  const note = syntheticNote(11, 'Fern');

  /** Calls as a service would: with its own token, and the principal inside. */
  const as = (
    peer: string,
    role: string,
    service: ServiceName,
    method: string,
    ...requests: object[]
  ): Promise<Outcome> => rpc.as({ peer, role }, service, method, ...requests);

  before(async () => {
    stack = await startStack('stock-client');
    rpc = createRpcCaller(stack);
  });
  after(async () => stack.stop());

  it('uploads by client stream and watches by server stream', async () => {
    const data = await notePdf(note);
    const metadata = { file_name: note.fileName, title: note.title };
    const pieces = [data.subarray(0, 700), data.subarray(700)].map((piece) => ({ data: piece }));
    const complete = { size_bytes: data.length, sha256: createHash('sha256').update(data).digest() };
    const messages = [{ metadata }, ...pieces, { complete }];
    const cut = await as('gateway', 'clinician', 'ingestion', 'UploadDocument', ...messages.slice(0, -1));
    expect(cut.code).to.equal(status.INVALID_ARGUMENT);
    const upload = await as('gateway', 'clinician', 'ingestion', 'UploadDocument', ...messages);
    expect(upload.code, upload.details).to.equal(status.OK);
    documentId = (upload.messages[0]?.['document'] as { document_id: string }).document_id;
    const watch = await as('gateway', 'clinician', 'ingestion', 'WatchDocument', { document_id: documentId });
    expect(watch.code).to.equal(status.OK);
    expect(watch.messages.at(-1)?.['document']).to.include({ state: 'DOCUMENT_STATE_READY', percent: 100 });
  });

  it('gets, lists and downloads', async () => {
    const got = await as('gateway', 'clinician', 'ingestion', 'GetDocument', { document_id: documentId });
    expect(got.messages[0]?.['document']).to.include({ document_id: documentId, title: note.title });
    const listed = await as('gateway', 'clinician', 'ingestion', 'ListDocuments', { page_size: 10 });
    expect(listed.messages[0]?.['documents']).to.have.length(1);
    const download = await as('gateway', 'clinician', 'ingestion', 'DownloadDocument', { document_id: documentId });
    const bytes = download.messages.slice(1).map((message) => message['data'] as Buffer);
    expect(Buffer.concat(bytes).equals(await notePdf(note))).to.equal(true);
  });

  it('embeds, searches and asks, the latter two with a client-credential token of its own team', async () => {
    const [team] = stack.platform.accounts.clients;
    if (!team) throw new Error('no client is seeded');
    const token = await clientToken({ issuer: stack.platform.urls['sign-in'], ...team });
    const embedded = await as('retrieval', 'clinician', 'embedding', 'Embed', {
      texts: ['hello'],
      kind: 'EMBED_KIND_QUERY',
    });
    expect(embedded.messages[0]).to.include({ dimensions: 1024 });
    const models = await as('retrieval', 'service', 'embedding', 'GetModels', {});
    expect(models.messages[0]?.['current']).to.include({ model_id: 'wardstone-lexical-1', dimensions: 1024 });
    const found = await rpc.withToken(token, 'retrieval', 'Search', { query: note.question, top_k: 3 });
    expect(found.code).to.equal(status.OK);
    expect(found.messages[0]?.['hits']).to.have.length.greaterThan(0);
    const answered = await rpc.withToken(token, 'llm', 'Answer', { question: note.question });
    expect(answered.code).to.equal(status.OK);
    expect(answered.messages.map((message) => message['event'])).to.include.members([
      'sources',
      'delta',
      'citation',
      'done',
    ]);
  });

  it('keeps a conversation, and reads and changes how the tenant is answered', async () => {
    const asSomebody = (method: string, request: object) => as('gateway', 'clinician', 'llm', method, request);
    const begun = await asSomebody('CreateConversation', { title: 'Stock' });
    const conversation = begun.messages[0]?.['conversation'] as { conversation_id: string };
    const named = { conversation_id: conversation.conversation_id };
    const answered = await asSomebody('Answer', { question: note.question, ...named });
    expect(answered.messages.at(-1)?.['done'], answered.details).to.include({ ...named, turn: 1 });
    const kept = await asSomebody('GetConversation', named);
    expect(kept.messages[0]?.['turns']).to.have.length(1);
    const listed = await asSomebody('ListConversations', {});
    expect(listed.messages[0]?.['conversations']).to.have.length(1);
    expect((await asSomebody('DeleteConversation', named)).code).to.equal(status.OK);
    const models = await asSomebody('ListModels', {});
    expect(models.messages[0]?.['models']).to.have.length.greaterThan(0);

    const asAdministrator = (method: string, request: object) => as('gateway', 'tenant_admin', 'llm', method, request);
    const found = await asAdministrator('GetAnswerSettings', {});
    expect(found.messages[0]?.['settings']).to.include({ etag: '0' });
    const settings = { model: 'fast', citation_policy: 'CITATION_POLICY_MARK' };
    const updated = await asAdministrator('UpdateAnswerSettings', { settings, etag: '0' });
    expect(updated.messages[0]?.['settings'], updated.details).to.include({ ...settings, etag: '1' });
    const used = await asAdministrator('GetUsage', {});
    expect(used.messages[0]?.['models']).to.have.length(1);
  });

  it('appends and lists audit events', async () => {
    const event = {
      event_id: '01900000-0000-7000-8000-0000000000aa',
      occurred_at: { seconds: '1790000000', nanos: 0 },
      action: 'document.read',
      resource_type: 'document',
      outcome: 'OUTCOME_SUCCESS',
    };
    const appended = await as('ingestion', 'clinician', 'audit', 'AppendEvents', { events: [event] });
    expect(appended.messages[0]?.['recorded']).to.have.length(1);
    const listed = await as('gateway', 'auditor', 'audit', 'ListEvents', { page_size: 500 });
    const events = listed.messages[0]?.['events'] as { event_id: string; service: string }[];
    expect(events.find(({ event_id: id }) => id === event.event_id)?.service).to.equal('ingestion');
  });

  it('creates, gets and lists tenants, and gets data keys', async () => {
    const created = await as('gateway', 'platform_admin', 'tenant-key', 'CreateTenant', {
      display_name: 'Third Clinic',
    });
    expect(created.code, created.details).to.equal(status.OK);
    const got = await as('gateway', 'clinician', 'tenant-key', 'GetTenant', { tenant_id: '' });
    expect(got.messages[0]?.['tenant']).to.include({ tenant_id: stack.platform.accounts.tenants[0]?.id });
    const listed = await as('gateway', 'platform_admin', 'tenant-key', 'ListTenants', {});
    expect(listed.messages[0]?.['tenants']).to.have.length(3);
    const keys = await as('ingestion', 'service', 'tenant-key', 'GetDataKeys', { purpose: 'KEY_PURPOSE_OBJECTS' });
    expect((keys.messages[0]?.['data_key'] as { key: Buffer }).key).to.have.length(32);
  });

  it('suspends, resumes, rotates keys and offboards', async () => {
    const asPlatform = (method: string, request: object) =>
      as('gateway', 'platform_admin', 'tenant-key', method, request);
    const created = await asPlatform('CreateTenant', { display_name: 'Fourth Clinic' });
    const { tenant_id: tenantId } = created.messages[0]?.['tenant'] as { tenant_id: string };
    for (const [method, state] of [
      ['SuspendTenant', 'TENANT_STATE_SUSPENDED'],
      ['ResumeTenant', 'TENANT_STATE_ACTIVE'],
    ] as const) {
      const moved = await asPlatform(method, { tenant_id: tenantId });
      expect(moved.messages[0]?.['tenant'], moved.details).to.include({ tenant_id: tenantId, state });
    }
    const started = await asPlatform('StartKeyRotation', { tenant_id: tenantId });
    expect(started.messages[0]?.['rotation'], started.details).to.include({ key_version: 2 });
    const got = await asPlatform('GetKeyRotation', { tenant_id: tenantId });
    expect(got.messages[0]?.['rotation'], got.details).to.include({ tenant_id: tenantId, key_version: 2 });
    const asked = await asPlatform('RequestOffboarding', { tenant_id: tenantId });
    const { offboarding_id: offboardingId } = asked.messages[0]?.['offboarding'] as { offboarding_id: string };
    const named = { tenant_id: tenantId, offboarding_id: offboardingId };
    // Two people sign, and this is the same one.
    const approved = await asPlatform('ApproveOffboarding', named);
    expect(approved.code, approved.details).to.equal(status.PERMISSION_DENIED);
    expect((await asPlatform('CancelOffboarding', named)).code).to.equal(status.OK);
    const found = await asPlatform('GetOffboarding', { tenant_id: tenantId });
    expect(found.messages[0]?.['offboarding']).to.include({ state: 'OFFBOARDING_STATE_CANCELLED' });
  });

  it('watches tenants, and lists and reports work', async () => {
    const started = await as('gateway', 'tenant_admin', 'tenant-key', 'StartKeyRotation', {});
    const { rotation_id: workId } = started.messages[0]?.['rotation'] as { rotation_id: string };
    const watcher = { peer: 'ingestion', role: 'service' };
    const watched = await rpc.until(
      watcher,
      'tenant-key',
      'WatchTenants',
      ({ event }) => event === 'snapshot_complete',
    );
    expect(watched.code, watched.details).to.equal(status.OK);
    expect(watched.messages.at(-1)).to.include({ event: 'snapshot_complete' });
    const listed = await as('ingestion', 'service', 'tenant-key', 'ListTenantWork', {});
    expect(listed.code, listed.details).to.equal(status.OK);
    const piece = { work_id: workId, kind: 'TENANT_WORK_KIND_RESEAL' };
    const begun = await as('ingestion', 'service', 'tenant-key', 'BeginTenantWork', piece);
    expect(begun.code, begun.details).to.equal(status.OK);
    // Nothing is done, and something is left: the report leaves the work to who does it.
    const report = { ...piece, documents_done: 0, documents_left: 1 };
    const reported = await as('ingestion', 'service', 'tenant-key', 'ReportTenantWork', report);
    expect(reported.code, reported.details).to.equal(status.OK);
    const got = await as('gateway', 'auditor', 'tenant-key', 'GetKeyRotation', { rotation_id: workId });
    const { progress } = got.messages[0]?.['rotation'] as { progress: { holder: string }[] };
    expect(progress.map(({ holder }) => holder)).to.deep.equal(['ingestion', 'llm', 'retrieval']);
  });

  it('reports progress, removes from the index, deletes', async () => {
    const report = { document_id: documentId, version: 1, state: 'DOCUMENT_STATE_INDEXING', stage_percent: 50 };
    expect((await as('retrieval', 'service', 'ingestion', 'ReportProgress', report)).code).to.equal(status.OK);
    const removed = await as('ingestion', 'service', 'retrieval', 'RemoveDocument', { document_id: documentId });
    expect(removed.messages[0]?.['removed_chunks']).to.be.greaterThan(0);
    const deleted = await as('gateway', 'tenant_admin', 'ingestion', 'DeleteDocument', { document_id: documentId });
    expect(deleted.code).to.equal(status.OK);
    await eventually(
      async () =>
        (await as('gateway', 'clinician', 'ingestion', 'GetDocument', { document_id: documentId })).code ===
        status.NOT_FOUND,
      { description: 'the document to be gone' },
    );
  });

  it('has called every RPC that the protos declare', () => {
    expect([...rpc.called].sort()).to.deep.equal([...declaredRpcs].sort());
    const folders = readdirSync(path.join(repositoryDir, 'proto/wardstone')).filter((name) => name !== 'access');
    expect(folders.sort()).to.deep.equal(
      Object.keys(services)
        .map((name) => name.replace('-', '_'))
        .sort(),
    );
  });

  it('gets nothing from any RPC without a token', async () => {
    for (const { service, method } of rpcs) {
      const { code, messages } = await rpc.withToken(undefined, service, method, {});
      expect({ code, messages }, `${service}.${method}`).to.deep.equal({ code: status.UNAUTHENTICATED, messages: [] });
    }
  });

  it('gets nothing from any RPC as a service that it does not accept', async () => {
    const accepted = ['Search', 'GetTenant', 'AppendEvents', 'GetDataKeys', 'WatchTenants'];
    const holdersOnly = ['ListTenantWork', 'BeginTenantWork', 'ReportTenantWork'];
    for (const { service, method } of rpcs) {
      if (accepted.includes(method)) continue;
      const peer = holdersOnly.includes(method) ? 'embedding' : 'llm';
      const { code, messages } = await as(peer, 'tenant_admin', service, method, {});
      const denied = { code: status.PERMISSION_DENIED, messages: [] };
      expect({ code, messages }, `${service}.${method}`).to.deep.equal(denied);
    }
  });
});
