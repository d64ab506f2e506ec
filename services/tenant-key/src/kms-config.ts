/** The variables that say where tenants' keys are, and what follows from them. */
import { readFileSync } from 'node:fs';
import {
  awsRegion,
  ConfigError,
  type EmbeddedConfig,
  fields,
  kmsAliasPrefix,
  refuseEmbeddedInProduction,
} from '@wardstone/config';
import type { z } from 'zod';
import type { AwsKmsOptions } from './adapters/aws-kms.ts';

/** Either the directory of the embedded key management service, or the region of AWS KMS. */
export const kmsFields = {
  WARDSTONE_KMS_DIR: fields.filePath.optional(),
  WARDSTONE_KMS_REGION: awsRegion.optional(),
  /** Instead of the address of KMS in the region. */
  WARDSTONE_KMS_ENDPOINT: fields.url.optional(),
  WARDSTONE_KMS_ALIAS_PREFIX: kmsAliasPrefix,
  /** Policy of new keys, JSON with `{{tenantId}}` where the tenant's id belongs. */
  WARDSTONE_KMS_KEY_POLICY_FILE: fields.filePath.optional(),
  /** Tags of new keys, `name=value`, comma-separated. */
  WARDSTONE_KMS_TAGS: fields.list.default([]),
} as const;

type KmsFields = Readonly<z.infer<z.ZodObject<typeof kmsFields>>>;

/** Where tenants' keys are. */
export type KmsConfig = { readonly dir: string } | AwsKmsOptions;

/** Thrown: ConfigError unless one service is named, with what it needs; and when it is the embedded one in production. */
export function kmsConfigOf(config: KmsFields & EmbeddedConfig): KmsConfig {
  const { WARDSTONE_KMS_DIR: dir, WARDSTONE_KMS_REGION: region } = config;
  if (dir !== undefined && region !== undefined)
    throw new ConfigError(['WARDSTONE_KMS_DIR: is set together with WARDSTONE_KMS_REGION; set one of them']);
  if (dir !== undefined) {
    refuseEmbeddedInProduction(config, 'the software KMS');
    return { dir };
  }
  if (region === undefined)
    throw new ConfigError(['WARDSTONE_KMS_DIR: is required unless WARDSTONE_KMS_REGION is set']);
  const policyFile = config.WARDSTONE_KMS_KEY_POLICY_FILE;
  return {
    region,
    endpoint: config.WARDSTONE_KMS_ENDPOINT,
    aliasPrefix: config.WARDSTONE_KMS_ALIAS_PREFIX,
    tags: tagsOf(config.WARDSTONE_KMS_TAGS),
    keyPolicy: policyFile === undefined ? undefined : policyTemplate(policyFile),
  };
}

/** What AWS takes in a tag, without what separates tags here; `aws:` is its own, and `wardstone:` ours. */
const tagPattern = /^(?!aws:|wardstone:)([A-Za-z0-9 .:/+@_-]{1,128})=([A-Za-z0-9 .:/+@_-]{0,256})$/;
/** AWS takes 50; one is the tenant's. */
const maxTags = 49;

function tagsOf(list: readonly string[]): Readonly<Record<string, string>> {
  const pairs = list.map((tag) => tagPattern.exec(tag));
  const tags = Object.fromEntries(pairs.flatMap((pair) => (pair === null ? [] : [[pair[1] ?? '', pair[2] ?? '']])));
  if (Object.keys(tags).length < list.length || list.length > maxTags)
    throw new ConfigError(['WARDSTONE_KMS_TAGS: must be up to 49 different name=value, comma-separated']);
  return tags;
}

/** The longest policy that KMS takes, less what an id is longer than its placeholder. */
const maxPolicyChars = 32_000;

function policyTemplate(file: string): string {
  const problem = (what: string): ConfigError => new ConfigError([`WARDSTONE_KMS_KEY_POLICY_FILE: ${what}`]);
  let template: string;
  try {
    template = readFileSync(file, 'utf8');
  } catch {
    throw problem('its file cannot be read');
  }
  if (template.length > maxPolicyChars) throw problem('its file is too long for a key policy');
  // What nobody fills in would be taken by AWS as it stands there.
  if (/\{\{(?!tenantId\}\})/.test(template)) throw problem('knows the placeholder {{tenantId}} and no other');
  try {
    JSON.parse(template);
  } catch {
    throw problem('its file is not JSON');
  }
  return template;
}
