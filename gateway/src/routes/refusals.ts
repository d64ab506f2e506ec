import type { Reason } from '@wardstone/rpc';

/** What may be answered wherever something of a tenant is used: it may be closed. */
export const closedTenant = ['TENANT_SUSPENDED', 'TENANT_OFFBOARDING'] as const satisfies readonly Reason[];

/** What may go wrong wherever a tenant's key is asked for: at the tenant's key itself, or at the key management service. */
export const keyFaults = [
  'KEY_UNAVAILABLE',
  'KEY_DISABLED',
  'KEY_PENDING_DELETION',
  'KMS_THROTTLED',
  'KMS_ACCESS_DENIED',
  'CREDENTIALS_EXPIRED',
  'CLOCK_SKEW',
] as const satisfies readonly Reason[];

/** What may go wrong wherever an object is read or written, beside the faults of the key that it is encrypted under. */
export const objectFaults = [
  'OBJECT_STORE_UNAVAILABLE',
  'OBJECT_STORE_THROTTLED',
  'OBJECT_STORE_ACCESS_DENIED',
  'CREDENTIALS_EXPIRED',
  'CLOCK_SKEW',
] as const satisfies readonly Reason[];

/** What may go wrong at a model that answers. */
const modelFaults = [
  'MODEL_UNAVAILABLE',
  'MODEL_THROTTLED',
  'MODEL_TIMEOUT',
  'MODEL_STREAM_BROKEN',
  'MODEL_QUOTA_EXCEEDED',
  'MODEL_INPUT_INVALID',
  'MODEL_NOT_FOUND',
  'MODEL_ACCESS_DENIED',
] as const satisfies readonly Reason[];

/** What may go wrong wherever a question is answered. */
export const answerProblems = [
  'TENANT_NOT_FOUND',
  ...closedTenant,
  'MODEL_NOT_ALLOWED',
  'GUARDRAIL_NOT_SUPPORTED',
  'BUDGET_EXCEEDED',
  ...modelFaults,
  ...keyFaults,
  'DATABASE_UNAVAILABLE',
  'AUDIT_UNAVAILABLE',
] as const satisfies readonly Reason[];
