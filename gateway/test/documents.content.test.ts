import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { createHash, randomBytes } from 'node:crypto';
import { expectProblem } from './support/http.ts';
import { addDocument, failing } from './support/in-test-services.ts';
import { type World, startWorld, tenantA } from './support/world.ts';

describe("a document's content", () => {
  let world: World;
  let headers: { authorization: string };
  before(async () => {
    world = await startWorld();
    headers = await world.bearer();
  });
  after(() => world.close());
  beforeEach(() => {
    delete world.state.instead.downloadDocument;
  });

  it('streams the bytes as an attachment that nobody stores, sniffs or runs', async () => {
    const bytes = randomBytes(5_000_000);
    const document = addDocument(world.state, tenantA, {
      fileName: 'Befund "Müller".pdf',
      mediaType: 'application/pdf',
    });
    document.sizeBytes = BigInt(bytes.byteLength);
    world.state.instead.downloadDocument = async function* () {
      yield { part: { case: 'document', value: document } };
      for (let at = 0; at < bytes.byteLength; at += 65_536)
        yield { part: { case: 'data', value: bytes.subarray(at, at + 65_536) } };
    };
    const response = await fetch(`${world.url}/v1/documents/${document.documentId}/content`, { headers });
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.equal('application/pdf');
    expect(response.headers.get('content-length')).to.equal('5000000');
    expect(response.headers.get('content-disposition')).to.equal(
      `attachment; filename="Befund _M_ller_.pdf"; filename*=UTF-8''Befund%20%22M%C3%BCller%22.pdf`,
    );
    expect(response.headers.get('x-content-type-options')).to.equal('nosniff');
    expect(response.headers.get('cache-control')).to.equal('no-store');
    expect(response.headers.get('content-security-policy')).to.contain('sandbox');
    const received = Buffer.from(await response.arrayBuffer());
    expect(sha256(received)).to.equal(sha256(bytes));
  });

  it('answers with the right status when there is nothing to stream', async () => {
    world.state.instead.downloadDocument = failing('KEY_UNAVAILABLE');
    const response = await fetch(`${world.url}/v1/documents/01970000-0000-7000-8000-000000000001/content`, { headers });
    await expectProblem(response, 503, 'KEY_UNAVAILABLE');
    expect(response.headers.get('content-disposition')).to.equal(null);
  });

  it('breaks the connection when the bytes end early, so that half a file is not taken for a whole one', async () => {
    const document = addDocument(world.state, tenantA, { sizeBytes: 1_000_000n });
    for (const fails of [true, false]) {
      world.state.instead.downloadDocument = async function* () {
        yield { part: { case: 'document', value: document } };
        yield { part: { case: 'data', value: Buffer.alloc(100_000) } };
        if (fails) throw new AppError('OBJECT_STORE_UNAVAILABLE');
      };
      const response = await fetch(`${world.url}/v1/documents/${document.documentId}/content`, { headers });
      const reading = await response.arrayBuffer().then(
        () => 'whole',
        () => 'broken',
      );
      expect(reading, `fails: ${fails}`).to.equal('broken');
    }
  });

  it('stops the service when the client leaves', async () => {
    const document = addDocument(world.state, tenantA, { sizeBytes: 1_000_000_000n });
    let stopped = false;
    world.state.instead.downloadDocument = async function* (_request, context) {
      context.signal.addEventListener('abort', () => (stopped = true));
      yield { part: { case: 'document', value: document } };
      while (!context.signal.aborted) yield { part: { case: 'data', value: Buffer.alloc(65_536) } };
    };
    const leaving = new AbortController();
    const response = await fetch(`${world.url}/v1/documents/${document.documentId}/content`, {
      headers,
      signal: leaving.signal,
    });
    await response.body?.getReader().read();
    leaving.abort();
    await eventually(() => stopped);
  });
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
