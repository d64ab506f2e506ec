import { expect } from 'chai';
import { connect } from 'node:net';
import type { Problem } from '../../src/schemas/problem.ts';

/** Checks that a response is a problem with the reason and status, in the form that RFC 9457 gives it; gives its body. */
export async function expectProblem(response: Response, status: number, reason: string): Promise<Problem> {
  const text = await response.text();
  expect(response.status, text).to.equal(status);
  expect(response.headers.get('content-type')).to.equal('application/problem+json');
  const problem = JSON.parse(text) as Problem;
  expect(problem.reason).to.equal(reason);
  expect(problem.status).to.equal(status);
  expect(problem.type).to.equal(`urn:wardstone:problem:${reason}`);
  expect(problem.requestId).to.equal(response.headers.get('x-request-id'));
  expect(text).not.to.match(/\bat .*\.ts:\d+|node_modules|stack/);
  return problem;
}

/** Sends bytes as they are and gives all that comes back until the connection closes. */
export function sendRaw(
  url: string,
  bytes: string | Buffer,
  options: { readonly end?: boolean } = {},
): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')));
    socket.write(bytes);
    if (options.end === true) socket.end();
  });
}

/** Posts JSON. */
export function postJson(url: string, headers: Record<string, string>, body: unknown): Promise<Response> {
  const payload = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: payload });
}
