import { Code } from '@connectrpc/connect';

/** What a reason means on each side of the platform. */
export interface ReasonSpec {
  /** Status on gRPC and Connect. */
  readonly code: Code;
  /** Status on REST. */
  readonly status: number;
  /** A sentence that is safe to show to anybody. */
  readonly message: string;
  /** How long to wait before trying again, where waiting helps. */
  readonly retryAfterMs?: number;
}

/** An operator has to mend it. Without a time to try again: repeating what was refused mends nothing, and hides the fault. */
const misconfigured = (message: string) =>
  ({ code: Code.Internal, status: 500, message }) as const satisfies ReasonSpec;

const unavailable = (message: string) =>
  ({ code: Code.Unavailable, status: 503, message, retryAfterMs: 2_000 }) as const satisfies ReasonSpec;

/** THE catalogue of reasons. Documented in REASONS.md; a test holds the two against each other. Reasons are never renamed. */
export const reasons = {
  // The request itself.
  INVALID_ARGUMENT: { code: Code.InvalidArgument, status: 400, message: 'The request is not valid.' },
  MALFORMED_JSON: { code: Code.InvalidArgument, status: 400, message: 'The body is not valid JSON.' },
  UNKNOWN_FIELD: { code: Code.InvalidArgument, status: 400, message: 'The request has a field that is not known.' },
  PAGE_TOKEN_INVALID: { code: Code.InvalidArgument, status: 400, message: 'The page token was not made by this API.' },
  TEXT_ENCODING: { code: Code.InvalidArgument, status: 400, message: 'The text is not valid UTF-8.' },
  TEXT_TOO_LARGE: { code: Code.InvalidArgument, status: 413, message: 'The text is too long.' },
  BODY_TOO_LARGE: { code: Code.ResourceExhausted, status: 413, message: 'The request is too large.' },
  UNSUPPORTED_MEDIA_TYPE: {
    code: Code.InvalidArgument,
    status: 415,
    message: 'The media type of the body is not supported.',
  },
  NOT_ACCEPTABLE: {
    code: Code.InvalidArgument,
    status: 406,
    message: 'The answer cannot be had in any media type accepted.',
  },
  REQUEST_TIMEOUT: { code: Code.DeadlineExceeded, status: 408, message: 'The request came in too slowly.' },
  HEADERS_TOO_LARGE: {
    code: Code.ResourceExhausted,
    status: 431,
    message: 'The headers of the request are too large.',
  },
  METHOD_NOT_ALLOWED: { code: Code.Unimplemented, status: 405, message: 'The method is not allowed here.' },
  NOT_FOUND: { code: Code.NotFound, status: 404, message: 'There is nothing here.' },

  // Who asks, and what they may do.
  UNAUTHENTICATED: { code: Code.Unauthenticated, status: 401, message: 'A bearer token is required.' },
  TOKEN_EXPIRED: { code: Code.Unauthenticated, status: 401, message: 'The token has expired.' },
  TOKEN_INVALID: { code: Code.Unauthenticated, status: 401, message: 'The token is not valid here.' },
  PERMISSION_DENIED: { code: Code.PermissionDenied, status: 403, message: 'The caller may not do this.' },
  CALLER_NOT_ACCEPTED: {
    code: Code.PermissionDenied,
    status: 403,
    message: 'The method does not accept this kind of caller.',
  },
  TENANT_REQUIRED: { code: Code.PermissionDenied, status: 403, message: 'The caller belongs to no tenant.' },
  RATE_LIMITED: { code: Code.ResourceExhausted, status: 429, message: 'Too many requests.', retryAfterMs: 1_000 },

  // Tenants.
  TENANT_NOT_FOUND: { code: Code.NotFound, status: 404, message: 'There is no such tenant.' },
  TENANT_ALREADY_EXISTS: {
    code: Code.AlreadyExists,
    status: 409,
    message: 'There is already another tenant with this id.',
  },
  TENANT_SUSPENDED: { code: Code.FailedPrecondition, status: 403, message: 'The tenant is suspended.' },
  TENANT_OFFBOARDING: {
    code: Code.FailedPrecondition,
    status: 403,
    message: 'The tenant is being offboarded, or has been: nothing of it is given out.',
  },
  TENANT_STATE_CONFLICT: {
    code: Code.FailedPrecondition,
    status: 409,
    message: 'The tenant is not in a state in which this can be done.',
  },
  OFFBOARDING_NOT_FOUND: { code: Code.NotFound, status: 404, message: 'There is no such offboarding.' },
  OFFBOARDING_ALREADY_EXISTS: {
    code: Code.AlreadyExists,
    status: 409,
    message: 'The tenant has an offboarding already.',
  },
  OFFBOARDING_STATE_CONFLICT: {
    code: Code.FailedPrecondition,
    status: 409,
    message: 'The offboarding is not in a state in which this can be done.',
  },
  OFFBOARDING_NEEDS_ANOTHER: {
    code: Code.PermissionDenied,
    status: 403,
    message: 'An offboarding is approved by another administrator than the one who requested it.',
  },

  // Documents.
  DOCUMENT_NOT_FOUND: { code: Code.NotFound, status: 404, message: 'There is no such document.' },
  DOCUMENT_CHANGED: {
    code: Code.FailedPrecondition,
    status: 412,
    message: 'The document has changed since it was read.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    code: Code.FailedPrecondition,
    status: 422,
    message: 'The idempotency key was used before with another request.',
  },
  EMPTY_FILE: { code: Code.InvalidArgument, status: 400, message: 'The file is empty.' },
  FILE_TOO_LARGE: { code: Code.InvalidArgument, status: 413, message: 'The file is too large.' },
  UPLOAD_INCOMPLETE: { code: Code.InvalidArgument, status: 400, message: 'The upload ended before it was complete.' },
  UPLOAD_MISMATCH: {
    code: Code.InvalidArgument,
    status: 400,
    message: 'The bytes that arrived are not those that the upload says it has.',
  },
  UPLOAD_PROTOCOL: {
    code: Code.InvalidArgument,
    status: 400,
    message: 'An upload is metadata, then data, then a message that ends it.',
  },

  // What the pipeline finds out about a document.
  UNSUPPORTED_TYPE: {
    code: Code.InvalidArgument,
    status: 415,
    message: 'The file is of a type that is not supported.',
  },
  PDF_ENCRYPTED: {
    code: Code.InvalidArgument,
    status: 422,
    message: 'The PDF is encrypted; upload it without a password.',
  },
  PDF_CORRUPT: { code: Code.InvalidArgument, status: 422, message: 'The PDF is damaged and cannot be read.' },
  PDF_NO_PAGES: { code: Code.InvalidArgument, status: 422, message: 'The PDF has no pages.' },
  TOO_MANY_PAGES: { code: Code.InvalidArgument, status: 422, message: 'The document has too many pages.' },
  NO_TEXT: {
    code: Code.InvalidArgument,
    status: 422,
    message: 'The document holds no text; a scan has to be recognised first.',
  },
  EXTRACTION_TIMEOUT: { code: Code.InvalidArgument, status: 422, message: 'Reading the document took too long.' },
  EXTRACTION_MEMORY: { code: Code.InvalidArgument, status: 422, message: 'Reading the document took too much memory.' },

  // Answers.
  MODEL_NOT_ALLOWED: {
    code: Code.InvalidArgument,
    status: 400,
    message: 'The model is not one that may be used here.',
  },
  MODEL_UNKNOWN: { code: Code.NotFound, status: 404, message: 'There is no such model here.' },
  GUARDRAIL_NOT_SUPPORTED: {
    code: Code.FailedPrecondition,
    status: 409,
    message: 'A guardrail is set, and the models of this installation take none.',
  },
  BUDGET_EXCEEDED: {
    code: Code.ResourceExhausted,
    status: 429,
    message: 'The budget of the tenant for this month is used up.',
  },
  COMPLETIONS_DISABLED: {
    code: Code.FailedPrecondition,
    status: 403,
    message: 'The tenant has not turned the OpenAI-compatible API on.',
  },
  SETTINGS_CHANGED: {
    code: Code.FailedPrecondition,
    status: 412,
    message: 'The settings have changed since they were read.',
  },
  CONVERSATION_NOT_FOUND: { code: Code.NotFound, status: 404, message: 'There is no such conversation.' },

  // Keys and sealed values.
  KEY_UNAVAILABLE: unavailable('A key that is needed cannot be had at the moment.'),
  KEY_DISABLED: { code: Code.FailedPrecondition, status: 409, message: 'The key of the tenant is disabled.' },
  KEY_PENDING_DELETION: {
    code: Code.FailedPrecondition,
    status: 409,
    message: 'The key of the tenant is scheduled for deletion.',
  },
  SEALED_VALUE_INVALID: { code: Code.DataLoss, status: 500, message: 'A stored value could not be opened.' },
  KEY_VERSION_NOT_FOUND: { code: Code.NotFound, status: 404, message: 'There is no such version of the key.' },
  KEY_VERSION_RETIRED: { code: Code.FailedPrecondition, status: 409, message: 'This version of the key is retired.' },
  KEY_ROTATION_NOT_FOUND: { code: Code.NotFound, status: 404, message: 'There is no such key rotation.' },
  KEY_ROTATION_IN_PROGRESS: {
    code: Code.FailedPrecondition,
    status: 409,
    message: 'The tenant’s key is being rotated; the next rotation can begin when this one is complete.',
  },
  KEY_ROTATION_TOO_SOON: {
    code: Code.ResourceExhausted,
    status: 429,
    message: 'The tenant’s key was rotated a short while ago.',
    retryAfterMs: 3_600_000,
  },
  WORK_NOT_FOUND: { code: Code.NotFound, status: 404, message: 'There is no such work.' },
  OBJECT_CHANGED: {
    code: Code.FailedPrecondition,
    status: 412,
    message: 'The stored object has changed since it was read.',
  },

  // What the platform depends on. Waiting helps.
  DATABASE_UNAVAILABLE: unavailable('The database cannot be reached at the moment.'),
  QUEUE_UNAVAILABLE: unavailable('The queue cannot be reached at the moment.'),
  OBJECT_STORE_UNAVAILABLE: unavailable('The object store cannot be reached at the moment.'),
  KMS_THROTTLED: unavailable('The key management service is asked too often at the moment.'),
  OBJECT_STORE_THROTTLED: unavailable('The object store is asked too often at the moment.'),
  MODEL_UNAVAILABLE: unavailable('The model cannot be reached at the moment.'),
  MODEL_THROTTLED: unavailable('The model is asked too often at the moment.'),
  MODEL_STREAM_BROKEN: unavailable('The answer of the model broke off.'),
  MODEL_TIMEOUT: {
    code: Code.DeadlineExceeded,
    status: 504,
    message: 'The model did not answer in time.',
    retryAfterMs: 2_000,
  },
  MODEL_QUOTA_EXCEEDED: {
    code: Code.Unavailable,
    status: 503,
    message: 'The platform’s quota for the model is used up.',
    retryAfterMs: 60_000,
  },
  AUDIT_UNAVAILABLE: unavailable('The audit log cannot be written at the moment, so nothing is shown.'),
  SERVICE_UNAVAILABLE: unavailable('A service cannot be reached at the moment.'),

  // What the platform depends on. Waiting does not help.
  MODEL_INPUT_INVALID: { code: Code.InvalidArgument, status: 422, message: 'The model does not take this input.' },

  // What the platform depends on. An operator has to look.
  KMS_ACCESS_DENIED: misconfigured('The platform may not use its key management service as it needs to.'),
  OBJECT_STORE_ACCESS_DENIED: misconfigured('The platform may not use its object store as it needs to.'),
  MODEL_ACCESS_DENIED: misconfigured('The platform may not use its model as it needs to.'),
  MODEL_NOT_FOUND: misconfigured('The model that the platform is set up with is not there.'),
  CREDENTIALS_EXPIRED: misconfigured('The credentials of the platform have expired.'),
  CLOCK_SKEW: misconfigured('A clock of the platform is wrong.'),

  // The call itself.
  DEADLINE_EXCEEDED: {
    code: Code.DeadlineExceeded,
    status: 504,
    message: 'The deadline passed before the answer was ready.',
  },
  CANCELLED: { code: Code.Canceled, status: 499, message: 'The caller cancelled the call.' },
  UNIMPLEMENTED: { code: Code.Unimplemented, status: 501, message: 'The method is not implemented here.' },
  INTERNAL: { code: Code.Internal, status: 500, message: 'Something went wrong on our side.' },
} as const satisfies Record<string, ReasonSpec>;

/**
 * What a document can fail with: these come as `failure.reason` of a document that is FAILED, when no call is waiting for
 * an answer that could have their code or status.
 */
export const documentFailures = [
  'UNSUPPORTED_TYPE',
  'TEXT_ENCODING',
  'TEXT_TOO_LARGE',
  'PDF_ENCRYPTED',
  'PDF_CORRUPT',
  'PDF_NO_PAGES',
  'TOO_MANY_PAGES',
  'NO_TEXT',
  'EXTRACTION_TIMEOUT',
  'EXTRACTION_MEMORY',
  'MODEL_INPUT_INVALID',
  'SEALED_VALUE_INVALID',
  'INTERNAL',
] as const satisfies readonly (keyof typeof reasons)[];

/** A stable name of what went wrong. */
export type Reason = keyof typeof reasons;

/** Whether a text is a reason of the catalogue. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(reasons, text);
}

/** What the catalogue says of a reason, with every field in one type. */
export function specOf(reason: Reason): ReasonSpec {
  return reasons[reason];
}

/**
 * Not over until somebody acts, and no fault of the work: the jobs of a suspended tenant, or of one whose key is disabled, wait
 * until that is taken back, or the tenant is gone.
 */
const waits: ReadonlySet<Reason> = new Set<Reason>([
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'TENANT_SUSPENDED',
  'TENANT_OFFBOARDING',
  'KEY_DISABLED',
  'KEY_PENDING_DELETION',
]);

/** Whether doing the same again later may succeed: something was down, too slow or too busy. Jobs retry these without end. */
export function isTransient(reason: Reason): boolean {
  return specOf(reason).retryAfterMs !== undefined || waits.has(reason);
}
