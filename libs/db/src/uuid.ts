import { needs } from '@wardstone/rpc';

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The id that no tenant has (RFC 9562 §5.9). */
export const nilUuid = '00000000-0000-0000-0000-000000000000';

/**
 * Checks a tenant's id before any SQL runs, so that a malformed one never reaches the setting that row-level security
 * reads. Lower case only: two spellings of one tenant would be two cache keys. Thrown: TENANT_REQUIRED.
 */
export function requireUuid(value: string): string {
  needs(typeof value === 'string' && uuidPattern.test(value) && value !== nilUuid, 'TENANT_REQUIRED');
  return value;
}
