import { expect } from 'chai';
import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { expectProblem, sendRaw } from './support/http.ts';
import { type World, startWorld } from './support/world.ts';

describe('upload as multipart', () => {
  let world: World;
  let headers: { authorization: string };
  before(async () => {
    world = await startWorld();
    headers = await world.bearer();
  });
  after(() => world.close());
  beforeEach(() => {
    world.state.uploads.length = 0;
    delete world.state.instead.uploadDocument;
  });

  it('streams the file on and answers 202 with Location, ETag and the document', async () => {
    const bytes = randomBytes(3 * 1024 * 1024 + 17);
    const response = await upload(form({ title: 'Überweisung', file: new File([bytes], 'brief.pdf') }), {
      'idempotency-key': 'k-1',
    });
    expect(response.status).to.equal(202);
    const document = (await response.json()) as { documentId: string; state: string; sizeBytes: number };
    expect(document).to.include({
      state: 'RECEIVED',
      sizeBytes: bytes.byteLength,
      title: 'Überweisung',
      fileName: 'brief.pdf',
    });
    expect(response.headers.get('location')).to.equal(`/v1/documents/${document.documentId}`);
    expect(response.headers.get('etag')).to.equal('"v1"');
    const [received] = world.state.uploads;
    expect(received?.sha256).to.equal(createHash('sha256').update(bytes).digest('hex'));
    expect(received?.metadata).to.include({ fileName: 'brief.pdf', title: 'Überweisung', idempotencyKey: 'k-1' });
    expect(received?.subject).to.equal('user-1');
  });

  it('takes labels one by one or as a JSON array, and metadata as a JSON object', async () => {
    const labels = ['manual', 'a "quoted" one', '[sic]'];
    const metadata = { ward: `4 West'; --`, note: '<b>' };
    const one = new FormData();
    for (const label of labels) one.append('labels', label);
    one.append('metadata', JSON.stringify(metadata));
    one.append('file', new File(['x'], 'a.txt'));
    const array = form({ labels: JSON.stringify(labels), file: new File(['x'], 'a.txt') });
    for (const body of [one, array]) {
      const response = await upload(body);
      expect(response.status).to.equal(202);
      expect(((await response.json()) as { labels: string[] }).labels).to.deep.equal(labels);
    }
    expect(world.state.uploads.map(({ metadata: sent }) => sent.metadata)).to.deep.equal([metadata, {}]);
  });

  it('takes as many and as long ones as there may be, each a part of its own', async () => {
    const body = new FormData();
    for (let n = 0; n < 20; n += 1) body.append('labels', `${String(n)}${'🩺'.repeat(98)}`);
    const entries = Array.from({ length: 20 }, (_, n) => [`n${String(n).padEnd(63, 'x')}`, '🩺'.repeat(200)]);
    const escaped = JSON.stringify(Object.fromEntries(entries)).replaceAll('🩺', '\\ud83e\\ude7a');
    body.append('metadata', escaped);
    body.append('title', 'T');
    body.append('file', new File(['x'], 'a.txt'));
    expect((await upload(body)).status).to.equal(202);
    expect(world.state.uploads[0]?.metadata.metadata).to.deep.equal(Object.fromEntries(entries));
  });

  it("drops a path in front of the file's name", async () => {
    const file = new File(['x'], '../../etc/passwd.txt');
    await upload(form({ file }));
    expect(world.state.uploads[0]?.metadata.fileName).to.equal('passwd.txt');
  });

  it('refuses forms that are not what it takes, and sends nothing on as a whole document', async () => {
    const file = new File(['x'], 'a.txt');
    const wrong: [FormData, string, string][] = [
      [form({ title: 'only a title' }), 'INVALID_ARGUMENT', 'file'],
      [form({ file, title: 'after the file' }), 'INVALID_ARGUMENT', 'file'],
      [form({ document: file }), 'UNKNOWN_FIELD', 'document'],
      [form({ colour: 'red', file }), 'UNKNOWN_FIELD', 'colour'],
      [form({ title: 'x'.repeat(501), file }), 'INVALID_ARGUMENT', 'title'],
      [form({ title: 'x'.repeat(100_000), file }), 'INVALID_ARGUMENT', 'title'],
      [form({ title: 'two\nlines', file }), 'INVALID_ARGUMENT', 'title'],
      [form({ title: 'nul\0', file }), 'INVALID_ARGUMENT', 'title'],
      [form({ file: new File(['x'], `${'n'.repeat(256)}.txt`) }), 'INVALID_ARGUMENT', 'fileName'],
      [form({ file: 'not a file' }), 'INVALID_ARGUMENT', 'file'],
      [form({ labels: '["open', file }), 'INVALID_ARGUMENT', 'labels'],
      [form({ labels: '[1]', file }), 'INVALID_ARGUMENT', 'labels.0'],
      [form({ labels: '', file }), 'INVALID_ARGUMENT', 'labels.0'],
      [repeated('labels', 21, file), 'INVALID_ARGUMENT', 'labels'],
      [form({ metadata: 'ward=4', file }), 'INVALID_ARGUMENT', 'metadata'],
      [form({ metadata: '{"__proto__":"x"}', file }), 'INVALID_ARGUMENT', 'metadata'],
      [form({ metadata: '{"ward":"x\\u0000"}', file }), 'INVALID_ARGUMENT', 'metadata.ward'],
      [repeated('metadata', 2, file), 'INVALID_ARGUMENT', 'metadata'],
    ];
    for (const [body, reason, field] of wrong) {
      const { errors } = await expectProblem(await upload(body), 400, reason);
      expect(errors?.map((error) => error.field)).to.include(field);
    }
    expect(world.state.uploads.filter(({ ended }) => ended === 'complete')).to.deep.equal([]);
  });

  it('refuses names that are not UTF-8 instead of mending them', async () => {
    const latin1 = Buffer.from('--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nfam\xe9\r\n', 'latin1');
    const file = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nx\r\n--b--\r\n';
    const response = await fetch(`${world.url}/v1/documents`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'multipart/form-data; boundary=b' },
      body: Buffer.concat([latin1, Buffer.from(file)]),
    });
    const { errors } = await expectProblem(response, 400, 'INVALID_ARGUMENT');
    expect(errors).to.deep.equal([{ field: 'title', detail: 'is not valid UTF-8' }]);
  });

  it('refuses an idempotency key that is no plain text', async () => {
    for (const key of ['with blank', 'x'.repeat(256)]) {
      const response = await upload(form({ file: new File(['x'], 'a.txt') }), { 'idempotency-key': key });
      const { errors } = await expectProblem(response, 400, 'INVALID_ARGUMENT');
      expect(errors?.[0]?.field).to.equal('Idempotency-Key');
    }
  });

  it('refuses a file beyond the bound, and cancels its upload', async () => {
    const response = await upload(form({ file: new File([Buffer.alloc(9 * 1024 * 1024)], 'big.bin') }));
    await expectProblem(response, 413, 'FILE_TOO_LARGE');
    await eventually(() => world.state.uploads[0]?.ended === 'cut');
  });

  it('passes on what the service refuses, even in the middle of the body', async () => {
    await expectProblem(await upload(form({ file: new File([], 'empty.txt') })), 400, 'EMPTY_FILE');
    world.state.instead.uploadDocument = async (requests) => {
      for await (const { part } of requests) if (part.case === 'data') throw new AppError('OBJECT_STORE_UNAVAILABLE');
      return {};
    };
    const response = await upload(form({ file: new File([Buffer.alloc(4 * 1024 * 1024)], 'a.bin') }));
    await expectProblem(response, 503, 'OBJECT_STORE_UNAVAILABLE');
    expect(response.headers.get('retry-after')).to.equal('2');
  });

  it('cancels the upload when the client leaves in the middle of the body', async () => {
    const { hostname, port } = new URL(world.url);
    const socket = connect(Number(port), hostname);
    socket.write(`${head(headers.authorization, 'Content-Length: 1000000')}${part('x'.repeat(100_000))}`);
    await eventually(() => world.state.uploads.some(({ bytes }) => bytes > 0));
    socket.destroy();
    await eventually(() => world.state.uploads[0]?.ended !== undefined);
    expect(world.state.uploads[0]?.ended).to.equal('cut');
  });

  it('takes no form whose end is missing for a whole one', async () => {
    for (const size of [0, 10, 100_000, 1_000_000]) {
      const body = part('x'.repeat(size));
      const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      const request = `${head(headers.authorization, 'Transfer-Encoding: chunked\r\nConnection: close')}${chunk}`;
      expect(await sendRaw(world.url, request)).to.match(/^HTTP\/1.1 400 [\s\S]*"reason":"UPLOAD_INCOMPLETE"/);
    }
    await eventually(() => world.state.uploads.every(({ ended }) => ended !== undefined));
    expect(world.state.uploads.map(({ ended }) => ended)).not.to.include('complete');
  });

  it('gives up on a client that stops in the middle of its body', async function () {
    const slow = await startWorld({ limits: { idleTimeoutMs: 200 } });
    try {
      const { hostname, port } = new URL(slow.url);
      const socket = connect(Number(port), hostname);
      const answer = new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())));
      const { authorization } = await slow.bearer();
      socket.write(`${head(authorization, 'Content-Length: 1000000')}${part('xxxx')}`);
      expect(await answer).to.match(/^HTTP\/1.1 408 /);
      await eventually(() => slow.state.uploads[0]?.ended === 'cut');
      socket.destroy();
    } finally {
      await slow.close();
    }
  });

  it('bounds the uploads of one tenant', async () => {
    const bounded = await startWorld({ limits: { uploadsPerTenant: 1 } });
    try {
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      let entered = 0;
      bounded.state.instead.uploadDocument = async (requests) => {
        entered += 1;
        await released;
        for await (const message of requests) void message;
        throw new AppError('EMPTY_FILE');
      };
      const body = () => form({ file: new File(['x'], 'a.txt') });
      const auth = await bounded.bearer();
      const url = `${bounded.url}/v1/documents`;
      const first = fetch(url, { method: 'POST', headers: auth, body: body() });
      await eventually(() => entered === 1);
      const refused = await fetch(url, { method: 'POST', headers: auth, body: body() });
      await expectProblem(refused, 429, 'RATE_LIMITED');
      expect(refused.headers.get('retry-after')).to.equal('2');
      release();
      await expectProblem(await first, 400, 'EMPTY_FILE');
      const later = await fetch(url, { method: 'POST', headers: auth, body: body() });
      await expectProblem(later, 400, 'EMPTY_FILE');
    } finally {
      await bounded.close();
    }
  });

  function upload(body: FormData, more: Record<string, string> = {}): Promise<Response> {
    return fetch(`${world.url}/v1/documents`, { method: 'POST', headers: { ...headers, ...more }, body });
  }
});

function head(authorization: string, more: string): string {
  const type = 'Content-Type: multipart/form-data; boundary=b';
  return `POST /v1/documents HTTP/1.1\r\nHost: gateway\r\nAuthorization: ${authorization}\r\n${type}\r\n${more}\r\n\r\n`;
}

/** The beginning of a form: one file, without the boundary that would end it. */
function part(content: string): string {
  return `--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n${content}`;
}

function form(fields: Readonly<Record<string, string | File>>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}

function repeated(name: string, times: number, file: File): FormData {
  const data = new FormData();
  for (let n = 0; n < times; n += 1) data.append(name, '{}');
  data.append('file', file);
  return data;
}
