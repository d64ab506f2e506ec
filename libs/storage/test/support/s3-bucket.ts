/** Buckets of their own for tests, and a tenant's key, on the server of WARDSTONE_TEST_AWS_ENDPOINT. */
import { randomUUID } from 'node:crypto';
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { testAwsRegion as region } from '@wardstone/testing/aws';
import { createS3Store, type ObjectStore } from '../../src/index.ts';

/** Clients for what the store has no words for. */
export interface TestAws {
  readonly s3: S3Client;
  readonly kms: KMSClient;
  /** An enabled key with the alias. */
  makeKey(alias: string): Promise<string>;
  /** A new bucket, empty. */
  makeBucket(options?: { versioned?: boolean }): Promise<TestBucket>;
  /** Deletes as another program would: the bytes stay behind a marker. */
  deleteWithMarker(bucket: string, key: string): Promise<void>;
  close(): void;
}

export interface TestBucket {
  readonly name: string;
  store(kmsKeyOf: (key: string) => string): ObjectStore;
  /** Keys of every version and every delete marker. */
  versions(): Promise<string[]>;
  /** Keys of uploads that were begun and have not ended. */
  uploads(): Promise<string[]>;
  drop(): Promise<void>;
}

export function openTestAws(endpoint: string): TestAws {
  const s3 = new S3Client({ region, endpoint, forcePathStyle: true });
  const kms = new KMSClient({ region, endpoint });
  return {
    s3,
    kms,
    makeKey: async (alias) => {
      const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
      const keyId = KeyMetadata?.KeyId ?? '';
      await kms.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: keyId }));
      return keyId;
    },
    makeBucket: async ({ versioned = false } = {}) => {
      const Bucket = `wardstone-test-${randomUUID()}`;
      await s3.send(new CreateBucketCommand({ Bucket }));
      if (versioned) {
        const VersioningConfiguration = { Status: 'Enabled' } as const;
        await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
      }
      return bucketOf(s3, endpoint, Bucket);
    },
    deleteWithMarker: async (Bucket, Key) => {
      await s3.send(new DeleteObjectCommand({ Bucket, Key }));
    },
    close: () => {
      s3.destroy();
      kms.destroy();
    },
  };
}

function bucketOf(s3: S3Client, endpoint: string, Bucket: string): TestBucket {
  const store: TestBucket['store'] = (kmsKeyOf) =>
    createS3Store({ bucket: Bucket, region, endpoint, pathStyle: true, kmsKeyOf });
  return {
    name: Bucket,
    store,
    versions: async () => {
      const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
      return [...Versions, ...DeleteMarkers].map(({ Key = '' }) => Key).sort();
    },
    uploads: async () => {
      const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket }));
      return Uploads.map(({ Key = '' }) => Key);
    },
    drop: async () => {
      // Not by the store, which is what is tested.
      const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
      const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
      if (Objects.length > 0) await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
      await s3.send(new DeleteBucketCommand({ Bucket }));
    },
  };
}
