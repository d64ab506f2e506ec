import { expect } from 'chai';
import { notePdf, syntheticNote } from '../src/documents.ts';
import type { DocumentView, ProblemView } from '../src/rest.ts';
import { readEvents } from '../src/rest.ts';
import { ingest, startStack, type Stack } from '../src/stack.ts';

const neverExisted = '01900000-0000-7000-8000-000000000000';

/** What may differ between two refusals: nothing but the request's own id and instant. */
function comparable({ status, body }: { status: number; body: unknown }): unknown {
  const { requestId: _request, instance: _instance, ...rest } = body as Record<string, unknown>;
  return { status, ...rest };
}

describe('a tenant asks for what another tenant has', function () {
  this.timeout(120_000);
  let stack: Stack;
  let owned: DocumentView;
  const note = syntheticNote(3, 'Willow');

  before(async () => {
    stack = await startStack('isolation');
    owned = await ingest(stack.as('north-clinician'), note.fileName, await notePdf(note), note.title);
  });
  after(async () => stack.stop());

  for (const username of ['lakeside-clinician', 'lakeside-tenant-admin']) {
    for (const [method, suffix] of [
      ['GET', ''],
      ['GET', '/events'],
      ['GET', '/content'],
      ['DELETE', ''],
    ] as const) {
      it(`${username}: ${method} /v1/documents/{id}${suffix} answers as if it never existed`, async () => {
        const rest = stack.as(username);
        const others = await rest.call<ProblemView>(method, `/v1/documents/${owned.documentId}${suffix}`);
        const absent = await rest.call<ProblemView>(method, `/v1/documents/${neverExisted}${suffix}`);
        expect(others.body.reason).to.equal('DOCUMENT_NOT_FOUND');
        expect(JSON.parse(JSON.stringify(comparable(others)).replaceAll(owned.documentId, 'ID'))).to.deep.equal(
          JSON.parse(JSON.stringify(comparable(absent)).replaceAll(neverExisted, 'ID')),
        );
      });
    }

    it(`${username}: list, search and answers hold nothing of it, even when asked by its id`, async () => {
      const rest = stack.as(username);
      expect(await rest.documents()).to.deep.equal([]);
      const search = await rest.search(note.question, { documentIds: [owned.documentId] });
      expect(search.status).to.equal(200);
      expect(search.body.hits).to.deep.equal([]);
      const answer = await rest.call<{ outcome: string; sources: unknown[]; citations: unknown[] }>(
        'POST',
        '/v1/answers',
        {
          json: { question: note.question, documentIds: [owned.documentId] },
        },
      );
      expect(answer.body.outcome).to.equal('NOT_IN_DOCUMENTS');
      expect(answer.body.sources).to.deep.equal([]);
      expect(answer.body.citations).to.deep.equal([]);
    });

    it(`${username}: the other tenant itself is not to be seen`, async () => {
      const [north] = stack.platform.accounts.tenants;
      const reply = await stack.as(username).call<ProblemView>('GET', `/v1/tenants/${north?.id ?? ''}`);
      const absent = await stack.as(username).call<ProblemView>('GET', `/v1/tenants/${neverExisted}`);
      expect(reply.status).to.equal(absent.status);
      expect(reply.body.reason).to.equal(absent.body.reason);
    });
  }

  it("the other tenant's auditor sees none of its events", async () => {
    const reply = await stack
      .as('lakeside-auditor')
      .call<{ data: { resourceIds: string[]; tenantId: string }[] }>(
        'GET',
        `/v1/audit-events?resourceId=${owned.documentId}`,
      );
    expect(reply.status).to.equal(200);
    const lakeside = stack.platform.accounts.tenants[1]?.id;
    for (const event of reply.body.data) expect(event.tenantId).to.equal(lakeside);
  });

  it('an idempotency key of another tenant finds nothing of it', async () => {
    const bytes = await notePdf(note);
    const first = await stack.as('north-clinician').upload(note.fileName, bytes, { idempotencyKey: 'shared-key' });
    const second = await stack.as('lakeside-clinician').upload(note.fileName, bytes, { idempotencyKey: 'shared-key' });
    expect([first.status, second.status]).to.deep.equal([202, 202]);
    expect(second.body.documentId).to.not.equal(first.body.documentId);
  });

  it('the platform administrator sees tenants and no document', async () => {
    const rest = stack.as('platform-admin');
    expect((await rest.call('GET', '/v1/tenants')).status).to.equal(200);
    for (const path of [
      '/v1/documents',
      `/v1/documents/${owned.documentId}`,
      `/v1/documents/${owned.documentId}/content`,
    ]) {
      expect((await rest.call('GET', path)).status, path).to.equal(403);
    }
    expect((await rest.search(note.question)).status).to.equal(403);
  });

  it('a streamed answer ends with done and cites the document for its own tenant', async () => {
    const response = await fetch(new URL('/v1/answers', stack.platform.urls.gateway), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await stack.platform.token('north-clinician')}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
      body: JSON.stringify({ question: note.question, documentIds: [owned.documentId] }),
    });
    const events = await readEvents(response);
    expect(events[0]?.event).to.equal('sources');
    expect(events.at(-1)).to.deep.include({ event: 'done' });
    expect(events.at(-1)?.data).to.include({ outcome: 'ANSWERED', grounding: 1 });
    expect(events.at(-2)).to.deep.include({ event: 'usage' });
    for (const { data } of events.filter(({ event }) => event === 'delta')) {
      expect(data).to.deep.include({ support: 'SUPPORTED', problems: [] });
    }
    const citation = events.find(({ event }) => event === 'citation')?.data as { quote: string; documentId: string };
    expect(citation.documentId).to.equal(owned.documentId);
    expect(note.pages.join(' ')).to.include(citation.quote.replace(/\s+/g, ' ').split('. ')[0]);
  });
});
