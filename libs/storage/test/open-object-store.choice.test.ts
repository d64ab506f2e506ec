import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { awsSuite, testAwsRegion } from '@wardstone/testing/aws';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { openObjectStore } from '../src/index.ts';
import { pieces, reasonOf } from './object-store.contract.ts';
import { openTestAws, type TestAws, type TestBucket } from './support/s3-bucket.ts';

const defaults = { WARDSTONE_S3_PATH_STYLE: false, WARDSTONE_KMS_ALIAS_PREFIX: 'wardstone' };

describe('the store that is configured', () => {
  it('is the directory', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'wardstone-objects-'));
    await openObjectStore({ ...defaults, WARDSTONE_OBJECTS_DIR: dir }).put('a', pieces('x'));
    expect(await readdir(join(dir, 'objects'))).to.deep.equal(['a~']);
    await rm(dir, { recursive: true });
  });

  it('is not made up', () => {
    expect(() => openObjectStore(defaults)).to.throw(/names no object store/);
  });
});

awsSuite('the store that is configured: a bucket', (endpoint) => {
  let aws: TestAws;
  let bucket: TestBucket;
  before(async () => {
    aws = openTestAws(endpoint);
    bucket = await aws.makeBucket();
  });
  after(async () => {
    await bucket.drop();
    aws.close();
  });

  it('is the bucket, with the key of each object’s tenant', async () => {
    const tenantId = uuidv7();
    const aliasPrefix = `wardstone-test-${randomUUID()}`;
    await aws.makeKey(`alias/${aliasPrefix}/${tenantId}`);
    const store = openObjectStore({
      WARDSTONE_S3_BUCKET: bucket.name,
      WARDSTONE_S3_REGION: testAwsRegion,
      WARDSTONE_S3_ENDPOINT: endpoint,
      WARDSTONE_S3_PATH_STYLE: true,
      WARDSTONE_KMS_ALIAS_PREFIX: aliasPrefix,
    });
    await store.put(`tenants/${tenantId}/x`, pieces('x'));
    expect(await bucket.versions()).to.deep.equal([`tenants/${tenantId}/x`]);
    expect(await reasonOf(store.put('x', pieces('x')))).to.equal('INTERNAL');
  });
});
