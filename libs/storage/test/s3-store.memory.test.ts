import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { testAwsRegion as region, useTestAwsCredentials } from '@wardstone/testing/aws';
import { expect } from 'chai';
import { createS3Store } from '../src/index.ts';
import { pieces } from './object-store.contract.ts';

const MiB = 1024 * 1024;
const piece = Buffer.alloc(64 * 1024, 7);
const count = 4096;

/** S3 without a memory: takes parts and forgets them, gives bytes as they are read. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const { method = '', url = '' } = request;
  request.resume();
  request.once('end', () => {
    if (method === 'GET') {
      response.writeHead(200, { 'Content-Length': String(count * piece.length) });
      Readable.from(Array.from({ length: count }, () => piece)).pipe(response);
      return;
    }
    const results = '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>';
    const complete = '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>';
    response.setHeader('ETag', '"e"');
    response.end(method !== 'POST' ? '' : url.includes('uploads') ? results : complete);
  });
}

describe('S3 store: memory', () => {
  useTestAwsCredentials();
  let server: Server;
  before(async () => {
    server = createServer(answer);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  it('stays flat over 256 MiB there and back', async () => {
    const { port } = server.address() as AddressInfo;
    const endpoint = `http://127.0.0.1:${String(port)}`;
    const kmsKeyOf = (): string => 'alias/key';
    const store = createS3Store({ bucket: 'b', region, endpoint, pathStyle: true, kmsKeyOf });
    const startBytes = process.memoryUsage().rss;
    let peakBytes = 0;
    const measure = (): void => {
      peakBytes = Math.max(peakBytes, process.memoryUsage().rss - startBytes);
    };
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < count; sent += 1) {
        measure();
        yield* pieces(piece);
      }
    };
    const { bytes } = await store.put('a', source());
    let readBytes = 0;
    for await (const chunk of await store.get('a')) {
      measure();
      readBytes += (chunk as Buffer).length;
    }
    expect([bytes, readBytes]).to.deep.equal([count * piece.length, count * piece.length]);
    expect(peakBytes).to.be.lessThan(128 * MiB);
  }).timeout(60_000);
});
