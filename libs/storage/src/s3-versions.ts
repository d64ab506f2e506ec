/** Deletion that leaves nothing: every version, every delete marker, every upload that was begun. */
import {
  AbortMultipartUploadCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { errorNameOf } from '@wardstone/aws';
import { AppError } from '@wardstone/rpc';
import { s3Error } from './s3-errors.ts';

/** Most that S3 lists, and deletes, by one request. */
const pageSize = 1000;
/** Each page removes something or fails, so that only writers without end keep this busy: ten million versions. */
const maxPages = 10_000;

/** A version or a delete marker. */
interface Version {
  readonly Key: string;
  readonly VersionId: string;
  /** Whether it is what its key stands for: every other one has been replaced. */
  readonly isLatest: boolean;
  readonly isMarker: boolean;
}

/**
 * Removes every version of the keys that begin with `prefix` and that `isMeant`. Answers how many objects there were.
 * Thrown: OBJECT_STORE_UNAVAILABLE when a version stays: locked, or its key written to without end.
 */
export async function removeVersions(
  client: S3Client,
  Bucket: string,
  prefix: string,
  isMeant: (key: string) => boolean,
): Promise<number> {
  let objects = 0;
  let lastKey = '';
  for (let page = 0; page < maxPages; page += 1) {
    // From the beginning each time: what was listed before is gone, markers of a page among it.
    const { versions, more } = await listVersions(client, Bucket, prefix);
    const meant = versions.filter(({ Key }) => isMeant(Key));
    if (meant.length === 0) return objects;
    await removeAll(client, Bucket, meant);
    // A key's versions may stand on two pages; on the second one an old version has become the latest.
    objects += meant.filter(({ Key, isLatest, isMarker }) => isLatest && !isMarker && Key !== lastKey).length;
    lastKey = meant.at(-1)?.Key ?? '';
    if (!more || meant.length < versions.length) return objects;
  }
  throw new AppError('OBJECT_STORE_UNAVAILABLE', { cause: new Error('what is deleted is written again and again') });
}

/**
 * Removes every version of one key but the latest. Answers how many there were. A version that is written meanwhile is the
 * latest, and stays. Thrown: OBJECT_STORE_UNAVAILABLE when the key is written to without end.
 */
export async function removeReplaced(client: S3Client, Bucket: string, key: string): Promise<number> {
  let removed = 0;
  for (let page = 0; page < maxPages; page += 1) {
    // Keys that are longer sort behind it, so that one page which holds another key holds all of this one's versions.
    const { versions, more } = await listVersions(client, Bucket, key);
    const own = versions.filter(({ Key }) => Key === key);
    const replaced = own.filter(({ isLatest }) => !isLatest);
    if (replaced.length > 0) await removeAll(client, Bucket, replaced);
    removed += replaced.length;
    if (!more || own.length < versions.length) return removed;
  }
  throw new AppError('OBJECT_STORE_UNAVAILABLE', { cause: new Error('what is replaced is written again and again') });
}

async function listVersions(
  client: S3Client,
  Bucket: string,
  Prefix: string,
): Promise<{ readonly versions: readonly Version[]; readonly more: boolean }> {
  const page = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix, MaxKeys: pageSize }));
  const objects = (page.Versions ?? []).map((version) => ({ ...version, isMarker: false }));
  const markers = (page.DeleteMarkers ?? []).map((marker) => ({ ...marker, isMarker: true }));
  const versions = [...objects, ...markers]
    .map(({ Key = '', VersionId = 'null', IsLatest, isMarker }) => ({
      Key,
      VersionId,
      isLatest: IsLatest === true,
      isMarker,
    }))
    .sort((one, other) => (one.Key < other.Key ? -1 : Number(one.Key > other.Key)));
  return { versions, more: page.IsTruncated === true };
}

async function removeAll(client: S3Client, Bucket: string, versions: readonly Version[]): Promise<void> {
  const Objects = versions.map(({ Key, VersionId }) => ({ Key, VersionId }));
  const { Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
  const [first] = Errors;
  if (first === undefined) return;
  const { Code = '', Message = '' } = first;
  throw s3Error(Object.assign(new Error(Message), { name: Code }));
}

/** Ends every upload under the prefix: by processes that died, and by those that still write there and now fail. */
export async function abortUploads(client: S3Client, Bucket: string, Prefix: string): Promise<void> {
  for (let page = 0; page < maxPages; page += 1) {
    const { Uploads = [], IsTruncated } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix }));
    for (const { Key, UploadId } of Uploads) {
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(ignoreGone);
    }
    if (IsTruncated !== true) return;
  }
  throw new AppError('OBJECT_STORE_UNAVAILABLE', { cause: new Error('uploads are begun again and again') });
}

/** It has ended meanwhile: complete, then its object is removed with the others, or aborted by its writer. */
function ignoreGone(error: unknown): void {
  if (errorNameOf(error) !== 'NoSuchUpload') throw error;
}
