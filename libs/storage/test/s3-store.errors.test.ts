import { once } from 'node:events';
import { crc32 } from 'node:zlib';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import {
  connectionReset,
  startWireServer,
  testAwsRegion as region,
  useTestAwsCredentials,
  xmlError,
  type WireAnswer,
  type WireServer,
} from '@wardstone/testing/aws';
import { expect } from 'chai';
import { createS3Store, type ObjectStore } from '../src/index.ts';
import { bytesOf, keysOf, pieces, reasonOf } from './object-store.contract.ts';

const MiB = 1024 * 1024;

/** As https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html has them, and KMS's as S3 hands them on. */
const refusals: [string, WireAnswer, string][] = [
  ['throttling', xmlError(503, 'SlowDown', 'Please reduce your request rate.'), 'OBJECT_STORE_THROTTLED'],
  ['no right', xmlError(403, 'AccessDenied', 'Access Denied'), 'OBJECT_STORE_ACCESS_DENIED'],
  ['unknown credentials', xmlError(403, 'InvalidAccessKeyId'), 'OBJECT_STORE_ACCESS_DENIED'],
  ['a wrong secret', xmlError(403, 'SignatureDoesNotMatch'), 'OBJECT_STORE_ACCESS_DENIED'],
  ['expired credentials', xmlError(400, 'ExpiredToken', 'The provided token has expired.'), 'CREDENTIALS_EXPIRED'],
  ['a wrong clock', xmlError(403, 'RequestTimeTooSkewed', 'The difference is too large.'), 'CLOCK_SKEW'],
  ['a disabled key', xmlError(400, 'KMS.DisabledException', 'arn:aws:kms:… is disabled.'), 'KEY_DISABLED'],
  ['a key that ends', xmlError(400, 'KMS.KMSInvalidStateException', 'pending deletion'), 'KEY_PENDING_DELETION'],
  ['no key', xmlError(400, 'KMS.NotFoundException', 'Alias is not found.'), 'KEY_UNAVAILABLE'],
  ['throttling of the key', xmlError(400, 'KMS.ThrottlingException'), 'KMS_THROTTLED'],
  ['no bucket', xmlError(404, 'NoSuchBucket'), 'OBJECT_STORE_UNAVAILABLE'],
  ['a fault of S3', xmlError(500, 'InternalError'), 'OBJECT_STORE_UNAVAILABLE'],
  ['a fault of something between', (response) => response.writeHead(502).end('<html>'), 'OBJECT_STORE_UNAVAILABLE'],
  ['a broken connection', connectionReset, 'OBJECT_STORE_UNAVAILABLE'],
  ['a malformed request', xmlError(400, 'InvalidArgument'), 'INTERNAL'],
];

/** What S3 answers to a request that goes well. */
function xml(body: string, headers: Record<string, string> = {}): WireAnswer {
  return (response) => response.writeHead(200, { 'Content-Type': 'application/xml', ...headers }).end(body);
}

describe('S3 store: errors on the wire', () => {
  useTestAwsCredentials();
  let answer: WireAnswer;
  let server: WireServer;
  let store: ObjectStore;
  beforeEach(async () => {
    server = await startWireServer((response, request) => {
      answer(response, request);
    });
    const { endpoint } = server;
    const kmsKeyOf = (): string => 'alias/key';
    store = createS3Store({ bucket: 'b', region, endpoint, pathStyle: true, kmsKeyOf, bodyIdleTimeoutMs: 100 });
  });
  afterEach(() => server.close());

  const requested = (): string[] =>
    server.requests.map(({ method, url }) => `${method} ${url.replace(/&?x-id=\w+/, '')}`);

  for (const [title, refusal, reason] of refusals) {
    it(`${title}: ${reason}`, async () => {
      answer = refusal;
      const works = [store.get('a'), store.put('a', pieces('x')), keysOf(store), store.delete('a')];
      expect(await Promise.all(works.map(reasonOf))).to.deep.equal(works.map(() => reason));
    });
  }

  it('asks three times when waiting may help, and once when it does not', async () => {
    answer = xmlError(500, 'InternalError');
    await reasonOf(store.get('a'));
    expect(server.requests).to.have.length(3);
    answer = xmlError(403, 'AccessDenied');
    await reasonOf(store.get('a'));
    expect(server.requests).to.have.length(4);
  });

  it('tells a missing object from a missing bucket and from a missing right, though HEAD says little', async () => {
    answer = (response, request) => {
      (request.url.startsWith('/b/a') ? xmlError(404, 'NoSuchKey') : xml(''))(response, request);
    };
    expect(await store.head('a')).to.equal(undefined);
    answer = xmlError(404, 'NoSuchBucket');
    expect(await reasonOf(store.head('a'))).to.equal('OBJECT_STORE_UNAVAILABLE');
    expect(await reasonOf(store.check())).to.equal('OBJECT_STORE_UNAVAILABLE');
    answer = xmlError(403, 'AccessDenied');
    expect(await reasonOf(store.head('a'))).to.equal('OBJECT_STORE_ACCESS_DENIED');
    expect(await reasonOf(store.check())).to.equal('OBJECT_STORE_ACCESS_DENIED');
    answer = xmlError(404, 'NoSuchKey');
    expect(await reasonOf(store.get('a'))).to.equal('NOT_FOUND');
  });

  describe('a body that is read', () => {
    /** Sends the beginning of a body, then does what is told. */
    const begin = (bytes: string, length: number, then?: WireAnswer): WireAnswer => {
      return (response, request) => {
        response.writeHead(200, { 'Content-Length': String(length) });
        response.write(bytes, () => then?.(response, request));
      };
    };

    it('ends with an error when S3 falls silent, and the connection is closed', async () => {
      let closed: Promise<unknown> = Promise.reject(new Error('no request came'));
      closed.catch(() => undefined);
      answer = (response, request) => {
        closed = once(response, 'close');
        begin('half', 8)(response, request);
      };
      expect(await reasonOf(bytesOf(await store.get('a')))).to.equal('OBJECT_STORE_UNAVAILABLE');
      await closed;
    });

    it('ends with an error when the connection breaks, or ends too early', async () => {
      for (const end of [connectionReset, ((response) => response.socket?.end()) satisfies WireAnswer]) {
        answer = begin('half', 8, end);
        expect(await reasonOf(bytesOf(await store.get('a')))).to.equal('OBJECT_STORE_UNAVAILABLE');
      }
    });

    it('ends with an error when the bytes are not those of the checksum', async () => {
      answer = (response) => {
        response.writeHead(200, { 'Content-Length': '4', 'x-amz-checksum-crc32': 'AAAAAA==' }).end('oops');
      };
      expect(await reasonOf(bytesOf(await store.get('a')))).to.equal('OBJECT_STORE_UNAVAILABLE');
    });

    it('closes the connection when the reader leaves', async () => {
      let closed = false;
      answer = (response, request) => {
        response.once('close', () => {
          closed = true;
        });
        begin('half', 8)(response, request);
      };
      const reader = await store.get('a');
      await once(reader, 'data');
      reader.destroy();
      await eventually(() => closed);
    });

    it('waits for a reader that is slower than the idle time-out', async () => {
      const large = Buffer.alloc(8 * MiB, 7);
      answer = (response, request) => {
        if (request.url.startsWith('/b/silent')) begin('half', 8)(response, request);
        else response.writeHead(200, { 'Content-Length': String(large.length) }).end(large);
      };
      const reader = await store.get('a');
      const chunks: Buffer[] = [];
      for await (const chunk of reader) {
        // After its first bytes the reader is busy for three idle time-outs, which others run into meanwhile.
        for (let idle = 0; chunks.length === 0 && idle < 3; idle += 1) {
          expect(await reasonOf(bytesOf(await store.get('silent')))).to.equal('OBJECT_STORE_UNAVAILABLE');
        }
        chunks.push(chunk as Buffer);
      }
      expect(Buffer.concat(chunks).equals(large)).to.equal(true);
    });
  });

  describe('an upload', () => {
    const begun = xml('<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>');
    const complete = xml('<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>');
    /** Answers as S3 does, but for what is given. */
    const s3 = (given: { part?: WireAnswer; complete?: WireAnswer; abort?: WireAnswer }): WireAnswer => {
      return (response, request) => {
        const { method, url } = request;
        const ok = xml('', { ETag: '"e"' });
        const post = url.includes('uploads') ? begun : (given.complete ?? complete);
        const answers: Record<string, WireAnswer> = {
          POST: post,
          PUT: given.part ?? ok,
          DELETE: given.abort ?? ((aborted) => aborted.writeHead(204).end()),
        };
        answers[method]?.(response, request);
      };
    };
    const endless = async function* (counter: { sent: number }): AsyncGenerator<Uint8Array> {
      for (;;) {
        counter.sent += 1;
        yield* pieces(Buffer.alloc(MiB));
      }
    };

    it('is aborted when a part fails, and the body is read no further', async () => {
      answer = s3({ part: xmlError(403, 'AccessDenied') });
      const counter = { sent: 0 };
      expect(await reasonOf(store.put('a', endless(counter)))).to.equal('OBJECT_STORE_ACCESS_DENIED');
      expect(counter.sent).to.be.lessThan(12);
      expect(requested()).to.deep.equal([
        'POST /b/a?uploads=',
        'PUT /b/a?partNumber=1&uploadId=u',
        'DELETE /b/a?uploadId=u',
      ]);
    });

    it('says what happened first when cleaning up fails as well', async () => {
      answer = s3({ abort: xmlError(403, 'AccessDenied') });
      const failing = async function* (): AsyncGenerator<Uint8Array> {
        for (let sent = 0; sent < 9; sent += 1) yield* pieces(Buffer.alloc(MiB));
        throw new AppError('UPLOAD_INCOMPLETE');
      };
      expect(await reasonOf(store.put('a', failing()))).to.equal('UPLOAD_INCOMPLETE');
    });

    it('ends at once when the signal fires while S3 does not answer', async () => {
      const stop = new AbortController();
      answer = s3({
        part: () => {
          stop.abort();
        },
      });
      const put = store.put('a', endless({ sent: 0 }), { signal: stop.signal });
      expect(await reasonOf(put)).to.equal('CANCELLED');
      expect(requested().at(-1)).to.equal('DELETE /b/a?uploadId=u');
    });

    it('fails when S3 says so after it has said 200', async () => {
      const late = '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>try again</Message></Error>';
      answer = s3({ complete: xml(late) });
      const body = pieces(Buffer.alloc(9 * MiB));
      expect(await reasonOf(store.put('a', body))).to.equal('OBJECT_STORE_UNAVAILABLE');
      expect(requested().at(-1)).to.equal('DELETE /b/a?uploadId=u');
    });

    it('goes with key, bucket key and checksum, in one request and in parts', async () => {
      answer = s3({});
      await store.put('a', pieces('small'));
      await store.put('a', pieces(Buffer.alloc(9 * MiB)));
      const [small, start, part] = server.requests.map(({ headers }) => headers);
      const encryption = {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'alias/key',
        'x-amz-server-side-encryption-bucket-key-enabled': 'true',
      };
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32BE(crc32('small'));
      expect(small).to.include({ ...encryption, 'x-amz-checksum-crc32': checksum.toString('base64') });
      expect(start).to.include({ ...encryption, 'x-amz-checksum-algorithm': 'CRC32' });
      expect(part).to.have.property('x-amz-checksum-crc32');
    });
  });

  describe('a condition', () => {
    const onPut = (refusal: WireAnswer): WireAnswer => {
      return (response, request) => {
        const head = xml('', { ETag: '"e"', 'Content-Length': '1' });
        (request.method === 'HEAD' ? head : refusal)(response, request);
      };
    };

    it('goes with the request, and is held by S3 also against who was quicker', async () => {
      const changed = [
        xmlError(412, 'PreconditionFailed'),
        xmlError(409, 'ConditionalRequestConflict'),
        xmlError(404, 'NoSuchKey'),
      ];
      for (const refusal of changed) {
        answer = onPut(refusal);
        expect(await reasonOf(store.put('a', pieces('x'), { ifMatch: '"e"' }))).to.equal('OBJECT_CHANGED');
        expect(server.requests.at(-1)?.headers).to.include({ 'if-match': '"e"' });
      }
    });

    it('that does not hold to begin with costs no upload', async () => {
      answer = onPut(xml(''));
      expect(await reasonOf(store.put('a', pieces('x'), { ifMatch: '"old"' }))).to.equal('OBJECT_CHANGED');
      expect(requested()).to.deep.equal(['HEAD /b/a']);
    });
  });

  it('reports a version that stays: what is said to be deleted must be gone', async () => {
    let latest = true;
    answer = (response, request) => {
      const isLatest = `<IsLatest>${String(latest)}</IsLatest>`;
      const version = `<Version><Key>a/b</Key><VersionId>1</VersionId>${isLatest}</Version>`;
      const denied = '<Error><Key>a/b</Key><VersionId>1</VersionId><Code>AccessDenied</Code></Error>';
      const list = xml(`<ListVersionsResult><IsTruncated>false</IsTruncated>${version}</ListVersionsResult>`);
      const uploads = xml('<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>');
      const get = request.url.includes('uploads') ? uploads : list;
      (request.method === 'GET' ? get : xml(`<DeleteResult>${denied}</DeleteResult>`))(response, request);
    };
    expect(await reasonOf(store.delete('a/b'))).to.equal('OBJECT_STORE_ACCESS_DENIED');
    expect(await reasonOf(store.deletePrefix('a'))).to.equal('OBJECT_STORE_ACCESS_DENIED');
    latest = false;
    expect(await reasonOf(store.deleteReplaced('a/b'))).to.equal('OBJECT_STORE_ACCESS_DENIED');
  });
});
