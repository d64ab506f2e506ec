// Container of the profile `aws`: makes the bucket, with versions, as an operator of AWS would.
import { CreateBucketCommand, HeadBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';

const { env } = process;
const Bucket = env['WARDSTONE_S3_BUCKET'] ?? '';
const region = env['WARDSTONE_S3_REGION'] ?? '';
const endpoint = env['WARDSTONE_S3_ENDPOINT'] ?? '';
if (Bucket === '' || region === '' || endpoint === '') {
  throw new Error('usage: with WARDSTONE_S3_BUCKET, WARDSTONE_S3_REGION and WARDSTONE_S3_ENDPOINT');
}
const client = new S3Client({ region, endpoint, forcePathStyle: true });
const isThere = await client.send(new HeadBucketCommand({ Bucket })).then(
  () => true,
  () => false,
);
if (!isThere) await client.send(new CreateBucketCommand({ Bucket }));
const VersioningConfiguration = { Status: 'Enabled' } as const;
await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
