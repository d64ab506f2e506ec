import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { DocumentState } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { addDocument } from './support/in-test-services.ts';
import { expectProblem } from './support/http.ts';
import { type World, startWorld, tenantA, tenantB } from './support/world.ts';

describe('documents: list, get, delete', () => {
  let world: World;
  let headers: { authorization: string };
  before(async () => {
    world = await startWorld();
    headers = await world.bearer();
  });
  after(() => world.close());
  beforeEach(() => world.state.documents.clear());

  it('gets a document in camelCase with its ETag, and nothing for a copy that is still good', async () => {
    const { documentId } = addDocument(world.state, tenantA, { title: 'Nota médica', etag: 'abc' });
    const response = await fetch(`${world.url}/v1/documents/${documentId}`, { headers });
    expect(response.status).to.equal(200);
    expect(response.headers.get('etag')).to.equal('"abc"');
    expect(response.headers.get('cache-control')).to.equal('no-store');
    const document = (await response.json()) as Record<string, unknown>;
    expect(document).to.include({ documentId, title: 'Nota médica', state: 'READY', sizeBytes: 5, percent: 100 });
    expect(document).not.to.have.property('failure');
    const again = await fetch(`${world.url}/v1/documents/${documentId}`, {
      headers: { ...headers, 'if-none-match': '"abc"' },
    });
    expect(again.status).to.equal(304);
    expect(await again.text()).to.equal('');
  });

  it('says why a document failed', async () => {
    const failure = {
      $typeName: 'wardstone.ingestion.v1.DocumentFailure',
      reason: 'NO_TEXT',
      message: 'No text.',
    } as const;
    const { documentId } = addDocument(world.state, tenantA, { state: DocumentState.FAILED, failure });
    const response = await fetch(`${world.url}/v1/documents/${documentId}`, { headers });
    expect(await response.json()).to.deep.include({
      state: 'FAILED',
      failure: { reason: 'NO_TEXT', message: 'No text.' },
    });
  });

  it("answers alike for another tenant's document, one that never was, and what is no id at all", async () => {
    const { documentId } = addDocument(world.state, tenantB);
    const bodies = [];
    for (const id of [documentId, uuidv7(), 'not-an-id', '..%2f..%2fetc%2fpasswd', 'x'.repeat(3000)]) {
      const response = await fetch(`${world.url}/v1/documents/${id}`, { headers });
      const { requestId: _differs, ...problem } = await expectProblem(response, 404, 'DOCUMENT_NOT_FOUND');
      bodies.push(JSON.stringify(problem));
    }
    expect(new Set(bodies).size).to.equal(1);
    for (const path of ['', '/content', '/events']) {
      const unknown = await fetch(`${world.url}/v1/documents/${documentId}${path}`, { headers });
      await expectProblem(unknown, 404, 'DOCUMENT_NOT_FOUND');
    }
    await expectProblem(
      await fetch(`${world.url}/v1/documents/${documentId}`, { method: 'DELETE', headers }),
      404,
      'DOCUMENT_NOT_FOUND',
    );
    expect(world.state.documents.size).to.equal(1);
  });

  it('pages through documents, newest first, and by state', async () => {
    const ids = [1, 2, 3].map(() => addDocument(world.state, tenantA).documentId);
    addDocument(world.state, tenantA, { state: DocumentState.FAILED });
    const first = await page(`pageSize=2&state=READY`);
    expect(first).to.deep.include({ hasMore: true });
    const second = await page(`pageSize=2&state=READY&pageToken=${first.nextToken ?? ''}`);
    expect(second).to.deep.include({ hasMore: false, nextToken: null });
    const seen = [...first.data, ...second.data].map(({ documentId }) => documentId);
    expect(seen).to.deep.equal(ids.reverse());
    const both = await page('state=READY&state=FAILED');
    expect(both.data).to.have.length(4);
  });

  it('refuses page tokens that were made up', async () => {
    for (const token of ['x', 'eyJhIjoxfQ', '%00', 'a'.repeat(5000), encodeURIComponent("' or 1=1 --")]) {
      const response = await fetch(`${world.url}/v1/documents?pageToken=${token}`, { headers });
      await expectProblem(response, 400, 'PAGE_TOKEN_INVALID');
    }
  });

  it('refuses filters that it does not know, or that are not valid', async () => {
    const misspelt = await fetch(`${world.url}/v1/documents?sate=READY`, { headers });
    const problem = await expectProblem(misspelt, 400, 'UNKNOWN_FIELD');
    expect(problem.errors).to.deep.equal([{ field: 'sate', detail: 'is not a field of this' }]);
    for (const query of [
      'pageSize=0',
      'pageSize=201',
      'pageSize=1e3',
      'pageSize=-1',
      'state=GONE',
      'pageSize=1&pageSize=2',
    ]) {
      const response = await fetch(`${world.url}/v1/documents?${query}`, { headers });
      const { errors } = await expectProblem(response, 400, 'INVALID_ARGUMENT');
      expect(errors, query).to.have.length(1);
    }
  });

  it('deletes a document, only while it has not changed when If-Match asks for that', async () => {
    const { documentId } = addDocument(world.state, tenantA, { etag: 'v2' });
    const url = `${world.url}/v1/documents/${documentId}`;
    const attempt = (ifMatch: string) => fetch(url, { method: 'DELETE', headers: { ...headers, 'if-match': ifMatch } });
    await expectProblem(await attempt('"v1"'), 412, 'DOCUMENT_CHANGED');
    await expectProblem(await attempt('W/"v2"'), 412, 'DOCUMENT_CHANGED');
    const { errors } = await expectProblem(await attempt('v2'), 400, 'INVALID_ARGUMENT');
    expect(errors?.[0]?.field).to.equal('If-Match');
    const response = await attempt('"v2"');
    expect(response.status).to.equal(204);
    expect(await response.text()).to.equal('');
    await expectProblem(await attempt('"v2"'), 404, 'DOCUMENT_NOT_FOUND');
  });

  async function page(query: string) {
    const response = await fetch(`${world.url}/v1/documents?${query}`, { headers });
    expect(response.status).to.equal(200);
    return (await response.json()) as { data: { documentId: string }[]; hasMore: boolean; nextToken: string | null };
  }
});
