import { randomBytes, randomUUID } from 'node:crypto';
import {
  CancelKeyDeletionCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import { CreateMultipartUploadCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { AppError } from '@wardstone/rpc';
import { awsSuite } from '@wardstone/testing/aws';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { tenantKmsKeys, type ObjectStore } from '../src/index.ts';
import { bytesOf, keysOf, pieces, reasonOf } from './object-store.contract.ts';
import { openTestAws, type TestAws, type TestBucket } from './support/s3-bucket.ts';

const MiB = 1024 * 1024;

awsSuite('S3 store: the bucket', (endpoint) => {
  const aliasPrefix = `wardstone-test-${randomUUID()}`;
  const [north, lakeside] = [uuidv7(), uuidv7()];
  const keyOf = (tenantId: string, name = 'original'): string => `tenants/${tenantId}/documents/x/1/${name}`;
  let aws: TestAws;
  let bucket: TestBucket;
  let store: ObjectStore;
  let northKey: string;
  let lakesideKey: string;
  before(async () => {
    aws = openTestAws(endpoint);
    northKey = await aws.makeKey(`alias/${aliasPrefix}/${north}`);
    lakesideKey = await aws.makeKey(`alias/${aliasPrefix}/${lakeside}`);
  });
  after(() => {
    aws.close();
  });
  beforeEach(async () => {
    bucket = await aws.makeBucket({ versioned: true });
    store = bucket.store(tenantKmsKeys(aliasPrefix));
  });
  afterEach(() => bucket.drop());

  describe('keys', () => {
    const disabled = async (work: () => Promise<void>): Promise<void> => {
      await aws.kms.send(new DisableKeyCommand({ KeyId: northKey }));
      await work().finally(() => aws.kms.send(new EnableKeyCommand({ KeyId: northKey })));
    };

    it('has each object encrypted under the key of its tenant, small and large', async () => {
      await store.put(keyOf(north), pieces('small'));
      await store.put(keyOf(lakeside), pieces('small'));
      await store.put(keyOf(north, 'large'), pieces(randomBytes(9 * MiB)));
      const keyUsed = async (Key: string): Promise<unknown> => {
        const head = await aws.s3.send(new HeadObjectCommand({ Bucket: bucket.name, Key }));
        return [head.ServerSideEncryption, head.SSEKMSKeyId];
      };
      const aliasOf = (tenantId: string): string => `alias/${aliasPrefix}/${tenantId}`;
      expect(await keyUsed(keyOf(north))).to.deep.equal(['aws:kms', aliasOf(north)]);
      expect(await keyUsed(keyOf(lakeside))).to.deep.equal(['aws:kms', aliasOf(lakeside)]);
      expect(await keyUsed(keyOf(north, 'large'))).to.deep.equal(['aws:kms', aliasOf(north)]);
    });

    it('neither reads nor writes under a disabled key, deletes all the same, and leaves others alone', async () => {
      await store.put(keyOf(north), pieces('north'));
      await store.put(keyOf(lakeside), pieces('lakeside'));
      await disabled(async () => {
        expect(await reasonOf(store.get(keyOf(north)))).to.equal('KEY_DISABLED');
        expect(await reasonOf(store.put(keyOf(north), pieces('new')))).to.equal('KEY_DISABLED');
        expect(await reasonOf(store.put(keyOf(north), pieces(randomBytes(9 * MiB))))).to.equal('KEY_DISABLED');
        expect((await bytesOf(await store.get(keyOf(lakeside)))).toString()).to.equal('lakeside');
        expect(await store.deletePrefix(`tenants/${north}`)).to.equal(1);
      });
      expect(await bucket.versions()).to.deep.equal([keyOf(lakeside)]);
      expect(await bucket.uploads()).to.deep.equal([]);
    });

    it('says that the key is scheduled for deletion, and reads again when the schedule is taken back', async () => {
      await store.put(keyOf(lakeside), pieces('lakeside'));
      await aws.kms.send(new ScheduleKeyDeletionCommand({ KeyId: lakesideKey, PendingWindowInDays: 7 }));
      expect(await reasonOf(store.get(keyOf(lakeside)))).to.equal('KEY_PENDING_DELETION');
      await aws.kms.send(new CancelKeyDeletionCommand({ KeyId: lakesideKey }));
      await aws.kms.send(new EnableKeyCommand({ KeyId: lakesideKey }));
      expect((await bytesOf(await store.get(keyOf(lakeside)))).toString()).to.equal('lakeside');
    });

    it('stores nothing that belongs to no tenant', async () => {
      for (const key of ['a', 'tenants/a/b', `tenants/${north.toUpperCase()}/b`, `tenants/${north}`]) {
        expect(await reasonOf(store.put(key, pieces('x')))).to.equal('INTERNAL');
      }
      expect(await bucket.versions()).to.deep.equal([]);
    });
  });

  describe('uploads in parts', () => {
    const key = keyOf(north, 'large');

    it('come back as they were, cut at any place, and none stays open', async () => {
      const large = randomBytes(17 * MiB + 3);
      const cuts = [0, 1, 8 * MiB - 1, 8 * MiB + 1, 16 * MiB, large.length];
      const cut = cuts.slice(1).map((end, at) => large.subarray(cuts[at], end));
      expect(await store.put(key, pieces(...cut))).to.deep.equal({ bytes: large.length });
      expect(await store.head(key)).to.include({ bytes: large.length });
      expect((await bytesOf(await store.get(key))).equals(large)).to.equal(true);
      await store.put(key, pieces(large.subarray(0, 8 * MiB)));
      expect((await bytesOf(await store.get(key))).equals(large.subarray(0, 8 * MiB))).to.equal(true);
      expect(await bucket.uploads()).to.deep.equal([]);
    });

    it('are aborted when the body fails after a part was stored', async () => {
      let open: string[] = [];
      const failing = async function* (): AsyncGenerator<Uint8Array> {
        for (let sent = 0; sent < 20; sent += 1) yield* pieces(randomBytes(MiB));
        open = await bucket.uploads();
        throw new AppError('UPLOAD_INCOMPLETE');
      };
      expect(await reasonOf(store.put(key, failing()))).to.equal('UPLOAD_INCOMPLETE');
      expect(open).to.deep.equal([key]);
      expect(await bucket.uploads()).to.deep.equal([]);
      expect(await bucket.versions()).to.deep.equal([]);
    });

    it('are aborted when the signal fires after a part was stored, also while the body hangs', async () => {
      const stop = new AbortController();
      let open: string[] = [];
      const hanging = async function* (): AsyncGenerator<Uint8Array> {
        for (let sent = 0; sent < 20; sent += 1) yield* pieces(randomBytes(MiB));
        open = await bucket.uploads();
        stop.abort();
        await new Promise(() => undefined);
      };
      expect(await reasonOf(store.put(key, hanging(), { signal: stop.signal }))).to.equal('CANCELLED');
      expect(open).to.deep.equal([key]);
      expect(await bucket.uploads()).to.deep.equal([]);
      expect(await bucket.versions()).to.deep.equal([]);
    });
  });

  describe('versions', () => {
    /** Puts as another program would. */
    const putRaw = async (Key: string): Promise<void> => {
      await aws.s3.send(new PutObjectCommand({ Bucket: bucket.name, Key, Body: 'x' }));
    };

    it('are all removed with their key, those of longer keys are not', async () => {
      const key = keyOf(north);
      for (const body of ['one', 'two', 'three']) await store.put(key, pieces(body));
      await store.put(`${key}.other`, pieces('x'));
      await store.put(`${key}/under`, pieces('x'));
      expect(await bucket.versions()).to.have.length(5);
      await store.delete(key);
      expect(await bucket.versions()).to.deep.equal([`${key}.other`, `${key}/under`]);
    });

    it('that were replaced go by themselves, more than one page of them; the latest stays, and those of longer keys', async () => {
      const key = keyOf(north);
      await putRaw(`${key}.other`);
      await putRaw(`${key}.other`);
      // One after the other: of versions of one key that are put at the same time, the test server loses some.
      for (let version = 0; version < 1_001; version += 1) await putRaw(key);
      await store.put(key, pieces('latest'));
      expect(await store.deleteReplaced(key)).to.equal(1_001);
      expect(await store.deleteReplaced(key)).to.equal(0);
      expect(await bucket.versions()).to.deep.equal([key, `${key}.other`, `${key}.other`]);
      expect((await bytesOf(await store.get(key))).toString()).to.equal('latest');
    }).timeout(120_000);

    it('of an object that another program deleted stay behind their marker alone', async () => {
      const key = keyOf(north);
      await putRaw(key);
      await aws.deleteWithMarker(bucket.name, key);
      expect(await store.deleteReplaced(key)).to.equal(1);
      expect(await store.head(key)).to.equal(undefined);
      expect(await bucket.versions()).to.deep.equal([key]);
    });

    it('that were sealed under an older key go when the object was sealed again over what was read', async () => {
      const key = keyOf(north);
      await store.put(key, pieces('under the old key'));
      const ifMatch = (await store.head(key))?.etag ?? '';
      await store.put(key, pieces('under the new key'), { ifMatch });
      expect(await bucket.versions()).to.deep.equal([key, key]);
      expect(await store.deleteReplaced(key)).to.equal(1);
      expect(await bucket.versions()).to.deep.equal([key]);
      expect((await bytesOf(await store.get(key))).toString()).to.equal('under the new key');
    });

    it('are all removed with their prefix, more than one page of them, with every marker; each object counts once', async () => {
      const prefix = `tenants/${north}`;
      const keys = [`${prefix}/a`, `${prefix}/b`, `${prefix}/c`];
      for (const key of keys) {
        for (let batch = 0; batch < 7; batch += 1) await Promise.all(Array.from({ length: 50 }, () => putRaw(key)));
      }
      await putRaw(`${prefix}/deleted`);
      await aws.deleteWithMarker(bucket.name, `${prefix}/deleted`);
      await putRaw(`${prefix}0/other`);
      expect(await store.deletePrefix(prefix)).to.equal(3);
      expect(await bucket.versions()).to.deep.equal([`${prefix}0/other`]);
      expect(await store.deletePrefix(prefix)).to.equal(0);
    }).timeout(120_000);

    it('include what was begun under the prefix and never finished', async () => {
      const begun = (Key: string) => new CreateMultipartUploadCommand({ Bucket: bucket.name, Key });
      await aws.s3.send(begun(keyOf(north)));
      await aws.s3.send(begun(keyOf(lakeside)));
      expect(await store.deletePrefix(`tenants/${north}`)).to.equal(0);
      expect(await bucket.uploads()).to.deep.equal([keyOf(lakeside)]);
    });
  });

  it('lists keys of the platform, whatever else is in the bucket', async () => {
    await store.put(keyOf(north), pieces('x'));
    await aws.s3.send(new PutObjectCommand({ Bucket: bucket.name, Key: 'a folder/', Body: 'x' }));
    expect(await keysOf(store)).to.deep.equal([keyOf(north)]);
  });

  it('is unavailable when the bucket is away: what cannot be seen is not known to be gone', async () => {
    const away = await aws.makeBucket();
    const lost = away.store(tenantKmsKeys(aliasPrefix));
    await away.drop();
    const key = keyOf(north);
    const works = [
      lost.check(),
      lost.put(key, pieces('x')),
      lost.get(key),
      lost.head(key),
      lost.delete(key),
      lost.deletePrefix(key),
      keysOf(lost),
    ];
    const reasons = await Promise.all(works.map(reasonOf));
    expect(reasons).to.deep.equal(works.map(() => 'OBJECT_STORE_UNAVAILABLE'));
  });
});
