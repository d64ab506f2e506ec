import { expect } from 'chai';
import { DocumentState } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { eventually } from '@wardstone/testing';
import { readEvents } from './support/events.ts';
import { expectProblem } from './support/http.ts';
import { addDocument, failing } from './support/in-test-services.ts';
import { type World, startWorld, tenantA } from './support/world.ts';

describe("a document's events", () => {
  let world: World;
  let headers: { authorization: string };
  before(async () => {
    world = await startWorld({ limits: { heartbeatMs: 100 } });
    headers = await world.bearer();
  });
  after(() => world.close());

  const watch = (documentId: string, signal?: AbortSignal) =>
    fetch(`${world.url}/v1/documents/${documentId}/events`, { headers, ...(signal === undefined ? {} : { signal }) });

  it('sends the document after every change, and then done', async () => {
    const document = addDocument(world.state, tenantA);
    const states = [DocumentState.RECEIVED, DocumentState.EXTRACTING, DocumentState.READY];
    world.state.instead.watchDocument = async function* () {
      for (const state of states) yield { document: { ...document, state } };
    };
    const response = await watch(document.documentId);
    expect(response.headers.get('content-type')).to.equal('text/event-stream');
    const events = await readEvents(response);
    expect(events.map(({ event }) => event)).to.deep.equal(['document', 'document', 'document', 'done']);
    expect(events[1]?.data).to.include({ documentId: document.documentId, state: 'EXTRACTING' });
    expect(events[3]?.data).to.deep.equal({ state: 'READY' });
  });

  it('does not say done when the watch ends early', async () => {
    const document = addDocument(world.state, tenantA);
    world.state.instead.watchDocument = async function* () {
      yield { document: { ...document, state: DocumentState.EMBEDDING } };
    };
    const events = await readEvents(await watch(document.documentId));
    expect(events.map(({ event }) => event)).to.deep.equal(['document', 'error']);
    expect(events[1]?.data).to.include({ reason: 'SERVICE_UNAVAILABLE' });
  });

  it('answers 404 before it becomes a stream', async () => {
    world.state.instead.watchDocument = failing('DOCUMENT_NOT_FOUND');
    await expectProblem(await watch('01970000-0000-7000-8000-000000000009'), 404, 'DOCUMENT_NOT_FOUND');
  });

  it('begins with a comment when the first event takes long, and stops the watch when the client leaves', async () => {
    let stopped = false;
    world.state.instead.watchDocument = async function* (_request, context) {
      await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
      stopped = true;
      yield {};
    };
    const leaving = new AbortController();
    const response = await watch('01970000-0000-7000-8000-000000000009', leaving.signal);
    expect(response.status).to.equal(200);
    const first = await response.body?.getReader().read();
    expect(Buffer.from(first?.value ?? []).toString()).to.equal(': heartbeat\n\n');
    leaving.abort();
    await eventually(() => stopped);
  });

  it('is told to come again when the gateway drains, and does not hold it up', async () => {
    const draining = await startWorld({ limits: { drainTimeoutMs: 10_000 } });
    try {
      const document = addDocument(draining.state, tenantA);
      draining.state.instead.watchDocument = async function* (_request, context) {
        yield { document: { ...document, state: DocumentState.EMBEDDING } };
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
      };
      const response = await fetch(`${draining.url}/v1/documents/${document.documentId}/events`, {
        headers: await draining.bearer(),
      });
      const reading = readEvents(response);
      const closing = draining.gateway.close();
      const events = await reading;
      expect(events.at(-1)?.data).to.include({ reason: 'SERVICE_UNAVAILABLE', status: 503 });
      await closing;
    } finally {
      await draining.close();
    }
  });
});
