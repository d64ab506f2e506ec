import { expect } from 'chai';
import { expectProblem, postJson, sendRaw } from './support/http.ts';
import { type World, startWorld } from './support/world.ts';

describe('requests that are refused', () => {
  let world: World;
  let headers: { authorization: string };
  before(async () => {
    world = await startWorld();
    headers = await world.bearer();
  });
  after(() => world.close());

  it('answers 404 where there is nothing, with or without a token', async () => {
    for (const path of ['/', '/v1', '/v1/', '/v2/documents', '/%zz', '/%2e%2e/etc', '/V1/me', '/v1//me']) {
      await expectProblem(await fetch(`${world.url}${path}`), 404, 'NOT_FOUND');
      await expectProblem(await fetch(`${world.url}${path}`, { headers }), 404, 'NOT_FOUND');
    }
  });

  it('answers 405 with Allow where another method is meant', async () => {
    const id = '01970000-0000-7000-8000-000000000001';
    const wrong: [string, string, string][] = [
      ['PUT', '/v1/documents', 'GET, HEAD, POST'],
      ['PATCH', `/v1/documents/${id}`, 'DELETE, GET, HEAD'],
      ['POST', `/v1/documents/${id}/content`, 'GET'],
      ['HEAD', `/v1/documents/${id}/events`, 'GET'],
      ['GET', '/v1/search', 'POST'],
      ['OPTIONS', '/v1/search', 'POST'],
      ['DELETE', '/v1/me', 'GET, HEAD'],
      ['POST', '/openapi.json', 'GET, HEAD'],
    ];
    for (const [method, path, allow] of wrong) {
      const response = await fetch(`${world.url}${path}`, { method, headers });
      expect(response.headers.get('allow'), `${method} ${path}`).to.equal(allow);
      if (method === 'HEAD') expect(response.status).to.equal(405);
      else await expectProblem(response, 405, 'METHOD_NOT_ALLOWED');
    }
  });

  it('answers 406 when the client takes no form that there is', async () => {
    const accept = (value: string, path = '/v1/me') =>
      fetch(`${world.url}${path}`, { headers: { ...headers, accept: value } });
    await expectProblem(await accept('text/html'), 406, 'NOT_ACCEPTABLE');
    await expectProblem(await accept('application/json;q=0'), 406, 'NOT_ACCEPTABLE');
    await expectProblem(
      await accept('application/json', '/v1/documents/01970000-0000-7000-8000-000000000001/events'),
      406,
      'NOT_ACCEPTABLE',
    );
    for (const value of ['*/*', 'application/*', 'text/html, application/json;q=0.1']) {
      expect((await accept(value)).status, value).to.equal(200);
    }
  });

  it('answers 415 for bodies that are not JSON in UTF-8', async () => {
    const types = [
      'text/plain',
      'application/xml',
      'application/json; charset=latin1',
      'multipart/form-data; boundary=b',
      '',
    ];
    for (const type of types) {
      const response = await postJson(`${world.url}/v1/search`, { ...headers, 'content-type': type }, '{"query":"x"}');
      await expectProblem(response, 415, 'UNSUPPORTED_MEDIA_TYPE');
    }
    const zipped = { ...headers, 'content-encoding': 'gzip' };
    await expectProblem(
      await postJson(`${world.url}/v1/search`, zipped, '{"query":"x"}'),
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    );
    const noBoundary = { ...headers, 'content-type': 'multipart/form-data' };
    await expectProblem(await postJson(`${world.url}/v1/documents`, noBoundary, 'x'), 415, 'UNSUPPORTED_MEDIA_TYPE');
    const utf8 = { ...headers, 'content-type': 'application/json; charset="UTF-8"' };
    expect((await postJson(`${world.url}/v1/search`, utf8, '{"query":"x"}')).status).to.equal(200);
  });

  it('answers 400 for JSON that is malformed, and never quotes it', async () => {
    const bodies = ['', '{', '{"query":', '{"query":"patient Miller",}', "{'query':1}", '[', 'NaN', '{"query":"a\nb"}'];
    for (const body of bodies) {
      const problem = await expectProblem(
        await postJson(`${world.url}/v1/search`, headers, body),
        400,
        'MALFORMED_JSON',
      );
      expect(JSON.stringify(problem)).not.to.contain('Miller');
    }
  });

  it('refuses bytes that are not UTF-8 instead of mending them', async () => {
    for (const bytes of [[0xe9], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xc0, 0xaf]]) {
      const body = Buffer.concat([Buffer.from('{"query":"'), Buffer.from(bytes), Buffer.from('"}')]);
      const { detail } = await expectProblem(
        await postJson(`${world.url}/v1/search`, headers, body),
        400,
        'MALFORMED_JSON',
      );
      expect(detail).to.equal('The body is not valid UTF-8.');
    }
    const lone = await postJson(`${world.url}/v1/search`, headers, '{"query":"\\ud800"}');
    await expectProblem(lone, 400, 'INVALID_ARGUMENT');
  });

  it('names each field that is wrong, by its path, and never its value', async () => {
    const wrong: [unknown, string, string[]][] = [
      [{}, 'INVALID_ARGUMENT', ['query']],
      [{ query: '' }, 'INVALID_ARGUMENT', ['query']],
      [{ query: 'x'.repeat(4001) }, 'INVALID_ARGUMENT', ['query']],
      [{ query: 5 }, 'INVALID_ARGUMENT', ['query']],
      [{ query: 'secret-marker\0' }, 'INVALID_ARGUMENT', ['query']],
      [{ query: 'x', topK: 0, documentIds: ['secret-marker'] }, 'INVALID_ARGUMENT', ['topK', 'documentIds.0']],
      [{ query: 'x', topK: 1.5 }, 'INVALID_ARGUMENT', ['topK']],
      [{ query: 'x', topK: 101 }, 'INVALID_ARGUMENT', ['topK']],
      [
        { query: 'x', documentIds: Array(101).fill('01970000-0000-7000-8000-000000000001') },
        'INVALID_ARGUMENT',
        ['documentIds'],
      ],
      [{ query: 'x', colour: 'secret-marker', size: 1 }, 'UNKNOWN_FIELD', ['colour', 'size']],
      [{ query: 'x', __proto__x: 1 }, 'UNKNOWN_FIELD', ['__proto__x']],
      ['{"query":"x","__proto__":{"topK":3}}', 'UNKNOWN_FIELD', ['__proto__']],
      ['{"query":"x","constructor":{"prototype":{}}}', 'UNKNOWN_FIELD', ['constructor']],
      ['[]', 'INVALID_ARGUMENT', ['']],
      ['null', 'INVALID_ARGUMENT', ['']],
      ['"text"', 'INVALID_ARGUMENT', ['']],
    ];
    for (const [body, reason, fields] of wrong) {
      const problem = await expectProblem(await postJson(`${world.url}/v1/search`, headers, body), 400, reason);
      expect(
        problem.errors?.map(({ field }) => field),
        JSON.stringify(body).slice(0, 80),
      ).to.deep.equal(fields);
      expect(JSON.stringify(problem)).not.to.contain('secret-marker');
    }
    expect(Object.prototype).not.to.have.property('topK');
  });

  it('knows no query parameters where a route has none', async () => {
    for (const path of ['/v1/me?verbose=1', '/v1/documents/01970000-0000-7000-8000-000000000001?version=2']) {
      await expectProblem(await fetch(`${world.url}${path}`, { headers }), 400, 'UNKNOWN_FIELD');
    }
  });

  it('names nested fields, and unknown ones within them', async () => {
    const admin = { authorization: `Bearer ${await world.issuer.token({ roles: ['platform_admin'] })}` };
    const body = { displayName: 'A', settings: { chunkSizeChars: 9000, colour: 1 } };
    const { errors } = await expectProblem(
      await postJson(`${world.url}/v1/tenants`, admin, body),
      400,
      'INVALID_ARGUMENT',
    );
    expect(errors?.map(({ field }) => field)).to.have.members(['settings.chunkSizeChars', 'settings.colour']);
  });

  it('passes on the fields that a service refuses, under the names of this API', async () => {
    const { AppError } = await import('@wardstone/rpc');
    world.state.instead.search = () => {
      throw new AppError('INVALID_ARGUMENT', {
        violations: [{ field: 'document_ids[2]', description: 'is not yours' }],
      });
    };
    const { errors } = await expectProblem(
      await postJson(`${world.url}/v1/search`, headers, { query: 'x' }),
      400,
      'INVALID_ARGUMENT',
    );
    expect(errors).to.deep.equal([{ field: 'documentIds.2', detail: 'is not yours' }]);
    delete world.state.instead.search;
  });

  it('hides what broke behind INTERNAL', async () => {
    world.state.instead.search = () => {
      throw new Error('relation "chunks" does not exist: secret-marker');
    };
    const problem = await expectProblem(
      await postJson(`${world.url}/v1/search`, headers, { query: 'x' }),
      500,
      'INTERNAL',
    );
    expect(JSON.stringify(problem)).not.to.match(/secret-marker|relation/);
    delete world.state.instead.search;
  });

  it('bounds bodies, announced or not', async () => {
    const large = JSON.stringify({ query: 'x'.repeat(300_000) });
    await expectProblem(await postJson(`${world.url}/v1/search`, headers, large), 413, 'BODY_TOO_LARGE');
    const streamed = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, duplex: 'half' };
    const response = await fetch(`${world.url}/v1/search`, {
      ...streamed,
      body: new Blob([large]).stream(),
    } as RequestInit);
    await expectProblem(response, 413, 'BODY_TOO_LARGE');
  });

  it('bounds headers, and what is not HTTP, with a problem and a closed connection', async () => {
    const large = await sendRaw(world.url, `GET /v1/me HTTP/1.1\r\nHost: g\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(large).to.match(/^HTTP\/1.1 431 [\s\S]*application\/problem\+json[\s\S]*"reason":"HEADERS_TOO_LARGE"/);
    const garbage = await sendRaw(world.url, 'this is not HTTP\r\n\r\n');
    expect(garbage).to.match(/^HTTP\/1.1 400 [\s\S]*"reason":"INVALID_ARGUMENT"/);
    const smuggled =
      'POST /v1/search HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    expect(await sendRaw(world.url, smuggled)).to.match(/^HTTP\/1.1 400 /);
  });

  it('does not wait for clients that send slowly', async () => {
    const slow = await startWorld({ limits: { headersTimeoutMs: 300, bodyTimeoutMs: 300 } });
    try {
      const { authorization } = await slow.bearer();
      const headersNeverEnd = sendRaw(slow.url, 'GET /v1/me HTTP/1.1\r\nHost: g\r\nX-A: b\r\n');
      expect(await headersNeverEnd).to.match(/^HTTP\/1.1 408 [\s\S]*"reason":"REQUEST_TIMEOUT"/);
      const bodyNeverEnds = sendRaw(
        slow.url,
        `POST /v1/search HTTP/1.1\r\nHost: g\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"query"`,
      );
      expect(await bodyNeverEnds).to.match(/^HTTP\/1.1 408 [\s\S]*"reason":"REQUEST_TIMEOUT"/);
    } finally {
      await slow.close();
    }
  });

  it('answers every request id alike: a plain one is kept, any other replaced', async () => {
    const withId = (id: string) => fetch(`${world.url}/livez`, { headers: { 'x-request-id': id } });
    expect((await withId('my-id_1.2')).headers.get('x-request-id')).to.equal('my-id_1.2');
    for (const id of ['a b', 'x'.repeat(129), '<script>', '{"a":1}']) {
      expect((await withId(id)).headers.get('x-request-id')).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}$/);
    }
  });
});
