import { randomUUID } from 'node:crypto';
import { awsSuite } from '@wardstone/testing/aws';
import { objectStoreContract } from './object-store.contract.ts';
import { openTestAws, type TestAws } from './support/s3-bucket.ts';

for (const versioned of [false, true]) {
  const title = versioned ? 'S3, versioned' : 'S3';
  awsSuite(title, (endpoint) => {
    const alias = `alias/wardstone-test/${randomUUID()}`;
    let aws: TestAws;
    before(async () => {
      aws = openTestAws(endpoint);
      await aws.makeKey(alias);
    });
    after(() => {
      aws.close();
    });
    objectStoreContract(title, async () => {
      const bucket = await aws.makeBucket({ versioned });
      return { store: bucket.store(() => alias), close: () => bucket.drop() };
    });
  });
}
