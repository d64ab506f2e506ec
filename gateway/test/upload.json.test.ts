import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { connect } from 'node:net';
import { createHash, randomBytes } from 'node:crypto';
import { expectProblem, postJson } from './support/http.ts';
import { type World, startWorld } from './support/world.ts';

describe('upload as JSON', () => {
  let world: World;
  let headers: { authorization: string };
  before(async () => {
    world = await startWorld();
    headers = await world.bearer();
  });
  after(() => world.close());
  beforeEach(() => (world.state.uploads.length = 0));

  it('takes the bytes in base64', async () => {
    const bytes = randomBytes(200_000);
    const body = { fileName: 'a.pdf', title: 'T', contentBase64: bytes.toString('base64') };
    const response = await postJson(`${world.url}/v1/documents`, { ...headers, 'idempotency-key': 'k' }, body);
    expect(response.status).to.equal(202);
    const [received] = world.state.uploads;
    expect(received?.sha256).to.equal(createHash('sha256').update(bytes).digest('hex'));
    expect(received?.metadata).to.include({ fileName: 'a.pdf', title: 'T', idempotencyKey: 'k' });
  });

  it('takes labels and metadata, and shows them', async () => {
    const named = { labels: ['manual', `'; drop table document; --`], metadata: { ward: '4 West', constructor: 'x' } };
    const body = { fileName: 'a.txt', contentBase64: 'SGk=', ...named };
    const response = await postJson(`${world.url}/v1/documents`, headers, body);
    expect(response.status).to.equal(202);
    expect(await response.json()).to.deep.include(named);
    expect(world.state.uploads[0]?.metadata).to.deep.include(named);
    const listed = await fetch(`${world.url}/v1/documents?pageSize=1`, { headers });
    expect(((await listed.json()) as { data: object[] }).data[0]).to.deep.include(named);
  });

  it('refuses metadata under a name that would vanish in reading', async () => {
    const response = await fetch(`${world.url}/v1/documents`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: '{"fileName":"a.txt","contentBase64":"SGk=","metadata":{"__proto__":"x"}}',
    });
    const { errors } = await expectProblem(response, 400, 'INVALID_ARGUMENT');
    expect(errors?.[0]?.field).to.equal('metadata');
  });

  it('refuses what is not base64, and fields that are missing, unknown or too long', async () => {
    const good = { fileName: 'a.txt', contentBase64: 'SGk=' };
    const wrong: [object, string, string][] = [
      [{ ...good, contentBase64: 'SGk' }, 'INVALID_ARGUMENT', 'contentBase64'],
      [{ ...good, contentBase64: 'SG k=' }, 'INVALID_ARGUMENT', 'contentBase64'],
      [{ ...good, contentBase64: '_-_-' }, 'INVALID_ARGUMENT', 'contentBase64'],
      [{ contentBase64: 'SGk=' }, 'INVALID_ARGUMENT', 'fileName'],
      [{ ...good, fileName: '' }, 'INVALID_ARGUMENT', 'fileName'],
      [{ ...good, fileName: 'x'.repeat(256) }, 'INVALID_ARGUMENT', 'fileName'],
      [{ ...good, title: 'x'.repeat(501) }, 'INVALID_ARGUMENT', 'title'],
      [{ ...good, title: '\ud800' }, 'INVALID_ARGUMENT', 'title'],
      [{ ...good, colour: 'red' }, 'UNKNOWN_FIELD', 'colour'],
      [{ ...good, labels: 'manual' }, 'INVALID_ARGUMENT', 'labels'],
      [{ ...good, labels: Array(21).fill('x') }, 'INVALID_ARGUMENT', 'labels'],
      [{ ...good, labels: ['x', ''] }, 'INVALID_ARGUMENT', 'labels.1'],
      [{ ...good, labels: ['x'.repeat(101)] }, 'INVALID_ARGUMENT', 'labels.0'],
      [{ ...good, labels: ['two\nlines'] }, 'INVALID_ARGUMENT', 'labels.0'],
      [{ ...good, metadata: ['x'] }, 'INVALID_ARGUMENT', 'metadata'],
      [{ ...good, metadata: { 'Jane Doe': 'x' } }, 'INVALID_ARGUMENT', 'metadata'],
      [{ ...good, metadata: { ward: 4 } }, 'INVALID_ARGUMENT', 'metadata.ward'],
      [{ ...good, metadata: { ward: 'x'.repeat(201) } }, 'INVALID_ARGUMENT', 'metadata.ward'],
      [
        { ...good, metadata: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`n${String(n)}`, 'x'])) },
        'INVALID_ARGUMENT',
        'metadata',
      ],
    ];
    for (const [body, reason, field] of wrong) {
      const { errors } = await expectProblem(await postJson(`${world.url}/v1/documents`, headers, body), 400, reason);
      expect(errors?.[0]?.field).to.equal(field);
    }
    expect(world.state.uploads).to.deep.equal([]);
  });

  it('counts characters, not UTF-16 code units', async () => {
    const body = { fileName: 'a.txt', title: '🩺'.repeat(500), contentBase64: 'SGk=' };
    expect((await postJson(`${world.url}/v1/documents`, headers, body)).status).to.equal(202);
    const longer = { ...body, title: '🩺'.repeat(501) };
    await expectProblem(await postJson(`${world.url}/v1/documents`, headers, longer), 400, 'INVALID_ARGUMENT');
  });

  it('bounds how many bodies are held at once, before it reads any of them', async () => {
    const small = await startWorld({ limits: { jsonUploads: 1 } });
    try {
      const { authorization } = await small.bearer();
      const body = { fileName: 'a.txt', contentBase64: 'SGk=' };
      const attempt = () => postJson(`${small.url}/v1/documents`, { authorization }, body);
      let held = unfinishedUpload(small.url, authorization);
      const refused = await eventually(async () => {
        const response = await attempt();
        if (response.status === 429) return response;
        // The attempt may have come first, and have taken the place for itself.
        if (held.isAnswered()) held = unfinishedUpload(small.url, authorization);
        return undefined;
      });
      await expectProblem(refused, 429, 'RATE_LIMITED');
      held.socket.destroy();
      await eventually(async () => (await attempt()).status === 202);
    } finally {
      await small.close();
    }
  });

  it('refuses a body beyond the bound, announced or not', async () => {
    const body = JSON.stringify({ fileName: 'a', contentBase64: 'A'.repeat(1024 * 1024) });
    await expectProblem(await postJson(`${world.url}/v1/documents`, headers, body), 413, 'BODY_TOO_LARGE');
    const stream = new Blob([body]).stream();
    const request = {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: stream,
      duplex: 'half',
    };
    await expectProblem(await fetch(`${world.url}/v1/documents`, request as RequestInit), 413, 'BODY_TOO_LARGE');
    expect(world.state.uploads).to.deep.equal([]);
  });
});

/** An upload that never sends the rest of its body. */
function unfinishedUpload(url: string, authorization: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on('error', () => undefined);
  let isAnswered = false;
  socket.once('data', () => (isAnswered = true)).once('close', () => (isAnswered = true));
  const type = 'Content-Type: application/json\r\nContent-Length: 1000';
  socket.write(`POST /v1/documents HTTP/1.1\r\nHost: g\r\nAuthorization: ${authorization}\r\n${type}\r\n\r\n{`);
  return { socket, isAnswered: () => isAnswered };
}
