import type { Logger } from 'pino';
import type { KmsConfig } from '../kms-config.ts';
import type { KeyManagementService } from '../ports.ts';
import { createAwsKms } from './aws-kms.ts';
import { openSoftwareKms } from './software-kms.ts';

/** The key management service that is configured. Thrown: as by `openSoftwareKms`. */
export async function openKms(config: KmsConfig, log: Pick<Logger, 'warn'>): Promise<KeyManagementService> {
  if (!('dir' in config)) return createAwsKms(config);
  const kms = await openSoftwareKms(config);
  log.warn('the embedded software KMS is in use: its keys are files, for development only');
  return kms;
}
