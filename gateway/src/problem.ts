import { ConnectError } from '@connectrpc/connect';
import { AppError, type Reason, reasons } from '@wardstone/rpc';
import type { z } from 'zod';
import type { Problem } from './schemas/problem.ts';

/** Media type of every refusal and failure (RFC 9457). */
export const problemMediaType = 'application/problem+json';

/** An error in the form that it is sent in. Holds what the catalogue and the error's author declared safe, never more. */
export function toProblem(error: AppError, requestId: string): Problem {
  const { message: title, status } = reasons[error.reason];
  // What was not found is answered with the same words whether it never existed or is another tenant's.
  const detail = status === 404 || error.message === title ? undefined : error.message;
  const nameOf = error.cause instanceof ConnectError ? camelCase : (field: string) => field;
  const errors = error.violations.map(({ field, description }) => ({ field: nameOf(field), detail: description }));
  return {
    type: problemType(error.reason),
    title,
    status,
    ...(detail === undefined ? {} : { detail }),
    reason: error.reason,
    requestId,
    ...(errors.length === 0 ? {} : { errors }),
  };
}

/** A problem as clients of OpenAI's API read it. */
export function toOpenAiError({ type, title, detail, reason, errors = [] }: Problem): NonNullable<Problem['error']> {
  const fields = errors.map((error) => `${error.field} ${error.detail}`).join('; ');
  const message = [detail ?? title, ...(fields === '' ? [] : [fields])].join(' ');
  return { message, type, param: errors[0]?.field ?? null, code: reason };
}

/** The `type` of a problem: a stable URI per reason. */
function problemType(reason: Reason): string {
  return `urn:wardstone:problem:${reason}`;
}

/** Seconds to wait before trying again, where waiting helps; for the Retry-After header. */
export function retryAfterSeconds(error: AppError): number | undefined {
  const waitMs = error.retryAfterMs;
  return waitMs === undefined ? undefined : Math.max(1, Math.ceil(waitMs / 1000));
}

/** Whatever was thrown in a route or by the framework, as an error of the catalogue. */
export function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = errorCode(error);
  const known = code === undefined ? undefined : frameworkReasons.get(code);
  if (known !== undefined) return new AppError(known, { cause: error });
  return AppError.from(error);
}

/** Fastify's own refusals. */
const frameworkReasons: ReadonlyMap<string, Reason> = new Map([
  ['FST_ERR_CTP_BODY_TOO_LARGE', 'BODY_TOO_LARGE'],
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 'UNSUPPORTED_MEDIA_TYPE'],
  ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 'UPLOAD_INCOMPLETE'],
  ['FST_ERR_BAD_URL', 'NOT_FOUND'],
  ['FST_ERR_MAX_PARAM_LENGTH', 'NOT_FOUND'],
  ['FST_ERR_NOT_FOUND', 'NOT_FOUND'],
  ['FST_REQ_FILE_TOO_LARGE', 'FILE_TOO_LARGE'],
  ['FST_MP_PREMATURE_CLOSE', 'UPLOAD_INCOMPLETE'],
  ['FST_PARTS_LIMIT', 'INVALID_ARGUMENT'],
  ['FST_FIELDS_LIMIT', 'INVALID_ARGUMENT'],
  ['FST_FILES_LIMIT', 'INVALID_ARGUMENT'],
  ['FST_PROTO_VIOLATION', 'UNKNOWN_FIELD'],
  ['FST_INVALID_JSON_FIELD_ERROR', 'INVALID_ARGUMENT'],
  ['ECONNRESET', 'UPLOAD_INCOMPLETE'],
]);

/**
 * An error of a call to a service, as the user is told it. A service that refuses the gateway's own token is our fault, not
 * the user's: it must not look as if the user had to sign in again.
 */
export function asUpstreamError(error: unknown): AppError {
  const known = asAppError(error);
  return aboutOurToken.has(known.reason) ? new AppError('INTERNAL', { cause: known }) : known;
}

const aboutOurToken: ReadonlySet<Reason> = new Set([
  'UNAUTHENTICATED',
  'TOKEN_EXPIRED',
  'TOKEN_INVALID',
  'CALLER_NOT_ACCEPTED',
]);

/** What a schema refused: UNKNOWN_FIELD when that is all that is wrong, otherwise INVALID_ARGUMENT; with the fields. */
export function refusedBySchema(error: z.ZodError): AppError {
  const violations = error.issues.flatMap(violationsOf).slice(0, maxViolations);
  const unknown = error.issues.every((issue) => issue.code === 'unrecognized_keys');
  return new AppError(unknown ? 'UNKNOWN_FIELD' : 'INVALID_ARGUMENT', { violations });
}

const maxViolations = 50;
const maxFieldChars = 200;

function violationsOf(issue: z.core.$ZodIssue): { field: string; description: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: pathOf([...issue.path, key]), description: 'is not a field of this' }));
  }
  return [{ field: pathOf(issue.path), description: describe(issue) }];
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.map(String).join('.').toWellFormed().slice(0, maxFieldChars);
}

// Zod's own messages are written for developers and may quote what came in.
function describe(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'custom':
      return issue.message;
    case 'invalid_type':
      return issue.input === undefined && issue.message.includes('undefined')
        ? 'is required'
        : `is not of type ${issue.expected === 'int' ? 'integer' : issue.expected}`;
    case 'invalid_format':
      return issue.format === 'regex' ? issue.message : `is not a valid ${issue.format}`;
    case 'invalid_value':
      return `is not one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `is less than ${String(issue.minimum)}${unitOf(issue.origin)}`;
    case 'too_big':
      return `is more than ${String(issue.maximum)}${unitOf(issue.origin)}`;
    default:
      return 'is not valid';
  }
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' ? ' items' : '';
}

function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Services name fields as the protos do; this API names them in camelCase. */
function camelCase(field: string): string {
  return field.replace(/\[(\d+)\]/g, '.$1').replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}
