/**
 * Objects in an S3 bucket, each encrypted by S3 under the KMS key of the tenant that it belongs to (SSE-KMS, with the bucket's
 * keys in between to save calls to KMS). The bucket may keep versions: deleting removes all of them.
 */
import { Readable } from 'node:stream';
import {
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { awsClientSettings } from '@wardstone/aws';
import { AppError, needs } from '@wardstone/rpc';
import { checkKey, objectKeyPattern, type ObjectHead, type ObjectStore, type PutOptions } from './object-store.ts';
import { guardedBody } from './s3-body.ts';
import { inS3, isMissing } from './s3-errors.ts';
import { upload } from './s3-upload.ts';
import { abortUploads, removeReplaced, removeVersions } from './s3-versions.ts';

/** Where the objects are. */
export interface S3StoreOptions {
  readonly bucket: string;
  readonly region: string;
  /** Instead of the address of S3 in the region. */
  readonly endpoint?: string | undefined;
  /** The bucket in the path instead of the host name: for servers that know no host names. */
  readonly pathStyle?: boolean;
  /** The KMS key, or its alias, that an object is encrypted under. Thrown: INTERNAL when the object belongs to nobody. */
  readonly kmsKeyOf: (objectKey: string) => string;
  /** Longest silence of S3 while a reader waits for bytes; 30 s unless told. */
  readonly bodyIdleTimeoutMs?: number;
}

/** A part of 8 MiB over a slow line, and the answer. */
const requestTimeoutMs = 60_000;
/** A body that is being read holds one. */
const maxConnections = 256;
const defaultBodyIdleTimeoutMs = 30_000;

/** The store over a bucket that is there. Credentials come from the SDK's default chain. Nothing is sent before the first call. */
export function createS3Store(options: S3StoreOptions): ObjectStore {
  const { bucket: Bucket, region, endpoint, pathStyle = false, kmsKeyOf } = options;
  const idleTimeoutMs = options.bodyIdleTimeoutMs ?? defaultBodyIdleTimeoutMs;
  const settings = awsClientSettings({ region, endpoint, requestTimeoutMs, maxConnections });
  const client = new S3Client({ ...settings, forcePathStyle: pathStyle });

  const head = async (Key: string): Promise<ObjectHead | undefined> => {
    try {
      const { ContentLength, ETag } = await client.send(new HeadObjectCommand({ Bucket, Key }));
      if (ContentLength === undefined || ETag === undefined) throw broken('a head without size or tag');
      return { bytes: ContentLength, etag: ETag };
    } catch (error) {
      if (!isMissing(error)) throw error;
      // What cannot be seen is not known to be gone: the answer is the same when the bucket is away.
      await checkBucket(client, Bucket);
      return undefined;
    }
  };

  return {
    put: async (key, body, { signal, ifMatch }: PutOptions = {}) => {
      checkKey(key);
      // Asked first, so that a long body is not sent in vain; S3 asks again when it has all of it.
      if (ifMatch !== undefined) needs((await inS3(() => head(key)))?.etag === ifMatch, 'OBJECT_CHANGED');
      const params = {
        Bucket,
        Key: key,
        ServerSideEncryption: 'aws:kms',
        SSEKMSKeyId: kmsKeyOf(key),
        BucketKeyEnabled: true,
        ChecksumAlgorithm: 'CRC32',
        ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
      } as const;
      return upload(client, params, body, signal);
    },
    get: async (Key) => {
      checkKey(Key);
      const { Body } = await inS3(() => client.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' })));
      if (!(Body instanceof Readable)) throw broken('an answer without a body');
      return guardedBody(Body, idleTimeoutMs);
    },
    head: async (key) => {
      checkKey(key);
      return inS3(() => head(key));
    },
    delete: async (key) => {
      checkKey(key);
      // Keys that are longer sort behind it.
      await inS3(() => removeVersions(client, Bucket, key, (found) => found === key));
    },
    deleteReplaced: async (key) => {
      checkKey(key);
      return inS3(() => removeReplaced(client, Bucket, key));
    },
    deletePrefix: async (prefix) => {
      checkKey(prefix);
      return inS3(async () => {
        await abortUploads(client, Bucket, `${prefix}/`);
        return removeVersions(client, Bucket, `${prefix}/`, () => true);
      });
    },
    list: async function* (prefix) {
      if (prefix !== '') checkKey(prefix);
      yield* list(client, Bucket, prefix === '' ? '' : `${prefix}/`);
    },
    check: () => inS3(() => checkBucket(client, Bucket)),
  };
}

/** Keys of ours; what else is in the bucket is not listed. */
async function* list(client: S3Client, Bucket: string, Prefix: string): AsyncGenerator<string> {
  let next: string | undefined;
  do {
    const request = new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken: next });
    const page = await inS3(() => client.send(request));
    for (const { Key = '' } of page.Contents ?? []) {
      if (objectKeyPattern.test(Key)) yield Key;
    }
    next = page.NextContinuationToken;
  } while (next !== undefined);
}

async function checkBucket(client: S3Client, Bucket: string): Promise<void> {
  try {
    await client.send(new HeadBucketCommand({ Bucket }));
  } catch (error) {
    throw isMissing(error) ? new AppError('OBJECT_STORE_UNAVAILABLE', { cause: error }) : error;
  }
}

function broken(why: string): AppError {
  return new AppError('OBJECT_STORE_UNAVAILABLE', { cause: new Error(why) });
}
