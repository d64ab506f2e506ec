import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { notePdf, syntheticNote } from '../src/documents.ts';
import { copyTenant, passDeletionWindow, quickKeys, restoreTenant, rowsOf, type TenantCopy } from '../src/lifecycle.ts';
import type { ProblemView, Rest } from '../src/rest.ts';
import { ingest, startStack, type Stack } from '../src/stack.ts';

interface OffboardingView {
  readonly offboardingId: string;
  readonly state: string;
  readonly certificate: string | null;
}

interface EventView {
  readonly action: string;
  readonly sequence: number;
  readonly hash: string;
  readonly attributes: Readonly<Record<string, string>>;
}

const wait = { timeoutMs: 120_000, intervalMs: 200 };
const notes = Array.from({ length: 4 }, (_, number) => syntheticNote(number, 'Harbourlight'));

describe('a tenant that leaves', function () {
  this.timeout(300_000);
  let stack: Stack;
  let clinician: Rest;
  let [first, second]: Rest[] = [];
  let other: Rest;
  let tenantId: string;
  let documentId: string;
  let [conversationId, theirConversationId] = ['', ''];
  let copy: TenantCopy;
  let offboardingId: string;

  before(async () => {
    stack = await startStack('offboarding', quickKeys);
    clinician = stack.as('north-clinician');
    [first, second] = [stack.as('north-tenant-admin'), stack.as('north-tenant-admin-2')];
    other = stack.as('lakeside-clinician');
    tenantId = stack.platform.accounts.tenants[0]?.id ?? '';
    for (const note of notes) {
      const document = await ingest(clinician, note.fileName, await notePdf(note), note.title);
      documentId = document.documentId;
      await ingest(other, note.fileName, await notePdf(note), note.title);
    }
    [conversationId, theirConversationId] = [
      await clinician.converse(notes[0]?.question ?? '', 'And then?'),
      await other.converse(notes[0]?.question ?? ''),
    ];
    copy = await copyTenant(stack, tenantId, path.join(stack.platform.layout.stateDir, 'backup'));
  });
  after(async () => stack.stop());

  const offboarding = (): string => `/v1/tenants/${tenantId}/offboarding`;
  const admin = (which: Rest | undefined): Rest => {
    if (which === undefined) throw new Error('there is no such administrator');
    return which;
  };
  const everyRead = async (): Promise<string[]> => {
    const replies = await Promise.all([
      clinician.call<ProblemView>('GET', `/v1/documents/${documentId}`),
      clinician.call<ProblemView>('GET', `/v1/documents/${documentId}/content`),
      clinician.call<ProblemView>('GET', '/v1/documents'),
      clinician.call<ProblemView>('POST', '/v1/search', { json: { query: notes[0]?.question } }),
      clinician.call<ProblemView>('POST', '/v1/answers', { json: { question: notes[0]?.question } }),
      clinician.call<ProblemView>('GET', `/v1/conversations/${conversationId}`),
      clinician.call<ProblemView>('GET', '/v1/conversations'),
    ]);
    return replies.map(({ status, body }) => `${String(status)} ${body.reason}`);
  };
  const refused = Array.from({ length: 7 }, () => '403 TENANT_OFFBOARDING');
  const otherStillWorks = async (): Promise<void> => {
    const { status, body } = await other.search(notes[1]?.question ?? '', { topK: 3 });
    expect(status).to.equal(200);
    expect(body.hits.some(({ text }) => text.includes(notes[1]?.answer ?? '?'))).to.equal(true);
    const { body: spoken } = await other.call<{ turns: object[] }>('GET', `/v1/conversations/${theirConversationId}`);
    expect(spoken.turns).to.have.length(1);
  };

  it('goes on working while one administrator alone wants it', async () => {
    const requested = await admin(first).call<OffboardingView>('POST', offboarding());
    expect(requested.status).to.equal(202);
    offboardingId = requested.body.offboardingId;
    const own = await admin(first).call<ProblemView>('POST', `${offboarding()}/approval`, { json: { offboardingId } });
    expect([own.status, own.body.reason]).to.deep.equal([403, 'OFFBOARDING_NEEDS_ANOTHER']);
    expect((await clinician.search(notes[0]?.question ?? '')).status).to.equal(200);
  });

  it('is refused everywhere as soon as the other approves, and the other tenant notices nothing', async () => {
    const approved = await admin(second).call<OffboardingView>('POST', `${offboarding()}/approval`, {
      json: { offboardingId },
    });
    expect([approved.status, approved.body.state]).to.deep.equal([200, 'SCHEDULED']);
    await eventually(async () => (await everyRead()).join() === refused.join(), {
      ...wait,
      description: 'every read to be refused',
    });
    await otherStillWorks();
  });

  it('comes back whole when it is taken back in time', async () => {
    const cancelled = await admin(first).call<OffboardingView>('POST', `${offboarding()}/cancellation`, {
      json: { offboardingId },
    });
    expect([cancelled.status, cancelled.body.state]).to.deep.equal([200, 'CANCELLED']);
    await eventually(
      async () => {
        const { status, body } = await clinician.search(notes[2]?.question ?? '', { topK: 3 });
        return status === 200 && body.hits.some(({ text }) => text.includes(notes[2]?.answer ?? '?'));
      },
      { ...wait, description: 'the tenant to be back' },
    );
    const { status } = await clinician.call('GET', `/v1/documents/${documentId}/content`);
    expect(status).to.equal(200);
    const { body } = await clinician.call<{ turns: object[] }>('GET', `/v1/conversations/${conversationId}`);
    expect(body.turns).to.have.length(2);
  });

  it('is gone when the window has passed: rows, objects, key; a certificate says so', async () => {
    const again = await admin(second).call<OffboardingView>('POST', offboarding());
    offboardingId = again.body.offboardingId;
    await admin(first).call('POST', `${offboarding()}/approval`, { json: { offboardingId } });
    await passDeletionWindow(stack, tenantId);
    const done = await eventually(
      async () => {
        const { body } = await admin(first).call<OffboardingView>('GET', offboarding());
        return body.state === 'COMPLETED' && body;
      },
      { ...wait, description: 'the offboarding to be complete' },
    );
    expect(await rowsOf(stack, tenantId)).to.deep.equal({});
    const jwks = JSON.parse(
      await readFile(path.join(stack.platform.layout.keysDir, 'services.jwks.json'), 'utf8'),
    ) as JSONWebKeySet;
    const { payload } = await jwtVerify(done.certificate ?? '', createLocalJWKSet(jwks), { issuer: 'tenant-key' });
    const says = payload['says'] as { removed: Record<string, Record<string, number>>; auditHead: { hash: string } };
    expect(says.removed['ingestion']?.['documents']).to.equal(notes.length);
    expect(says.removed['retrieval']?.['documents']).to.equal(notes.length);
    expect(says.removed['llm']).to.include({ conversations: 1, turns: 2 });

    const events = await stack.as('north-auditor').call<{ data: EventView[] }>('GET', '/v1/audit-events?pageSize=50');
    const complete = events.body.data.find(({ action }) => action === 'offboarding.complete');
    const digest = createHash('sha256')
      .update(done.certificate ?? '')
      .digest('hex');
    expect(complete?.attributes['certificate_sha256']).to.equal(digest);
    const removed = events.body.data.find(({ action }) => action === 'offboarding.removed');
    expect(removed?.hash).to.equal(says.auditHead.hash);
    await otherStillWorks();
  });

  it('stays unreadable with its rows and objects restored from before', async () => {
    await restoreTenant(stack, tenantId, copy);
    expect(Object.keys(await rowsOf(stack, tenantId))).to.include.members([
      'retrieval.chunk',
      'llm.conversation',
      'llm.turn',
    ]);
    // The tenant is active again and its wrapped keys are back: all of the databases is as it was. The key in KMS is not.
    for (const program of ['tenant-key', 'ingestion', 'retrieval', 'embedding', 'llm'] as const) {
      stack.platform.kill(program);
      await stack.platform.whenReady(program);
    }
    const { body: tenant } = await admin(first).call<{ state: string }>('GET', `/v1/tenants/${tenantId}`);
    expect(tenant.state).to.equal('ACTIVE');
    // A program that was just killed is answered for by the gateway at first.
    await eventually(
      async () => {
        const replies = await Promise.all([
          clinician.call<ProblemView>('POST', '/v1/search', { json: { query: notes[0]?.question } }),
          clinician.call<ProblemView>('GET', `/v1/documents/${documentId}/content`),
          clinician.call<ProblemView>('GET', `/v1/documents/${documentId}`),
          clinician.call<ProblemView>('GET', `/v1/conversations/${conversationId}`),
        ]);
        for (const { body } of replies) {
          expect(JSON.stringify(body)).not.to.match(/Quillfeather|Harbourlight|Larkspurgate/);
        }
        return replies.every(({ body }) => body.reason === 'KEY_UNAVAILABLE');
      },
      { ...wait, timeoutMs: 60_000, description: 'every read to find no key' },
    );
    await otherStillWorks();
  });
});
