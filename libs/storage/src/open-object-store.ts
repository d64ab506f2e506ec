import type { ObjectStoreConfig } from '@wardstone/config';
import { AppError } from '@wardstone/rpc';
import { createFileStore } from './file-store.ts';
import type { ObjectStore } from './object-store.ts';
import { createS3Store } from './s3-store.ts';
import { tenantKmsKeys } from './tenant-kms-keys.ts';

/** The store that a configuration names which `checkObjectStore` has accepted: the bucket, or the directory. */
export function openObjectStore(config: ObjectStoreConfig): ObjectStore {
  const { WARDSTONE_OBJECTS_DIR: dir, WARDSTONE_S3_BUCKET: bucket, WARDSTONE_S3_REGION: region } = config;
  if (bucket !== undefined && region !== undefined) {
    return createS3Store({
      bucket,
      region,
      endpoint: config.WARDSTONE_S3_ENDPOINT,
      pathStyle: config.WARDSTONE_S3_PATH_STYLE,
      kmsKeyOf: tenantKmsKeys(config.WARDSTONE_KMS_ALIAS_PREFIX),
    });
  }
  if (dir === undefined) throw new AppError('INTERNAL', { message: 'the configuration names no object store' });
  return createFileStore({ dir });
}
