import { z } from 'zod';
import { fields } from './fields.ts';
import { ConfigError } from './read-config.ts';
import { type EmbeddedConfig, refuseEmbeddedInProduction } from './service-fields.ts';

/** A region of AWS, by its name; other servers take any. */
export const awsRegion = z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be the name of a region, such as us-east-1');

/** The tenants' KMS keys are found by it; see `alias/<prefix>/<tenantId>` in libs/aws. AWS keeps `aws` for itself. */
export const kmsAliasPrefix = z
  .string()
  .regex(/^(?!aws)[A-Za-z0-9][A-Za-z0-9/_-]{0,63}$/, 'must be 1 to 64 of A-Z a-z 0-9 / _ - and not begin with aws')
  .default('wardstone');

/** Variables of services that keep objects, in a directory or in an S3 bucket. To be checked by `checkObjectStore`. */
export const objectStoreFields = {
  /** Directory of the embedded object store; or: */
  WARDSTONE_OBJECTS_DIR: fields.filePath.optional(),
  WARDSTONE_S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket')
    .optional(),
  /** Required with a bucket. */
  WARDSTONE_S3_REGION: awsRegion.optional(),
  /** Instead of the address of S3 in the region. */
  WARDSTONE_S3_ENDPOINT: fields.url.optional(),
  /** The bucket in the path instead of the host name: for servers other than AWS's. */
  WARDSTONE_S3_PATH_STYLE: fields.flag.default(false),
  /** The same as tenant-key's: each object is encrypted under the key of its tenant. */
  WARDSTONE_KMS_ALIAS_PREFIX: kmsAliasPrefix,
} as const;

/** The values of objectStoreFields. */
export type ObjectStoreConfig = Readonly<z.infer<z.ZodObject<typeof objectStoreFields>>>;

/** Thrown: ConfigError unless one store is named, with all that it needs; and when it is the embedded one in production. */
export function checkObjectStore(config: ObjectStoreConfig & EmbeddedConfig): void {
  const { WARDSTONE_OBJECTS_DIR: dir, WARDSTONE_S3_BUCKET: bucket, WARDSTONE_S3_REGION: region } = config;
  if (dir === undefined && bucket === undefined)
    throw new ConfigError(['WARDSTONE_OBJECTS_DIR: is required unless WARDSTONE_S3_BUCKET is set']);
  if (dir !== undefined && bucket !== undefined)
    throw new ConfigError(['WARDSTONE_OBJECTS_DIR: is set together with WARDSTONE_S3_BUCKET; set one of them']);
  if (bucket !== undefined && region === undefined)
    throw new ConfigError(['WARDSTONE_S3_REGION: is required with WARDSTONE_S3_BUCKET']);
  if (dir !== undefined) refuseEmbeddedInProduction(config, 'the object store in WARDSTONE_OBJECTS_DIR');
}
