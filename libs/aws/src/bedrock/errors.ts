/**
 * What the errors of Bedrock mean to the platform: those of its API reference, in the head of an answer or as an event of its
 * stream, and whatever breaks on the way.
 */
import { AppError, type Reason } from '@wardstone/rpc';
import { awsFault, errorNameOf, httpStatusOf, type AwsFault } from '../faults.ts';

const byName: Readonly<Record<string, Reason>> = {
  AccessDeniedException: 'MODEL_ACCESS_DENIED',
  BadGatewayException: 'MODEL_UNAVAILABLE',
  ConflictException: 'MODEL_UNAVAILABLE',
  DependencyFailedException: 'MODEL_UNAVAILABLE',
  InternalServerException: 'MODEL_UNAVAILABLE',
  ModelErrorException: 'MODEL_UNAVAILABLE',
  // Its status is that of throttling, but it is the model that is not there yet.
  ModelNotReadyException: 'MODEL_UNAVAILABLE',
  ModelStreamErrorException: 'MODEL_STREAM_BROKEN',
  ModelTimeoutException: 'MODEL_TIMEOUT',
  RequestEntityTooLargeException: 'MODEL_INPUT_INVALID',
  ResourceNotFoundException: 'MODEL_NOT_FOUND',
  ServiceQuotaExceededException: 'MODEL_QUOTA_EXCEEDED',
  ServiceUnavailableException: 'MODEL_UNAVAILABLE',
  ThrottlingException: 'MODEL_THROTTLED',
  ValidationException: 'MODEL_INPUT_INVALID',
  // Of the SDK, about a connection on which nothing happens.
  TimeoutError: 'MODEL_TIMEOUT',
  // An answer that is no JSON: cut short, when its status was good.
  SyntaxError: 'MODEL_STREAM_BROKEN',
};

const byFault: Readonly<Record<AwsFault, Reason>> = {
  throttled: 'MODEL_THROTTLED',
  'access-denied': 'MODEL_ACCESS_DENIED',
  'credentials-expired': 'CREDENTIALS_EXPIRED',
  'clock-skew': 'CLOCK_SKEW',
  unavailable: 'MODEL_UNAVAILABLE',
  refused: 'INTERNAL',
};

/** A quota by the day is told as throttling; seconds do not help. */
const ofTheDay = /per day|daily/i;
/** A request that names a model which is not to be had, is told as one that is not valid. */
const ofTheModel = /model identifier is invalid|on-demand throughput|inference profile|end of (its|their) life|legacy/i;
/** What the SDK's client of HTTP/2 says, without a code, of a connection that broke before an answer. */
const ofTheConnection = /http\/?2 (request|stream)|Frame type id|destroyed session|ended or has been destroyed/i;

/** Longest wait that an answer may ask for; beyond it a caller would be told nonsense. */
const maxRetryAfterMs = 5 * 60_000;

/**
 * An AppError for whatever a client threw, or the stream of an answer. An abort is what its signal was fired for: CANCELLED
 * for a caller that left, DEADLINE_EXCEEDED for a time limit of the caller's.
 */
export function bedrockError(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  if (errorNameOf(cause) === 'AbortError') return ofAbort(cause);
  const reason = reasonOf(cause);
  const retryAfterMs = reason === 'CLOCK_SKEW' && isClockCorrected(cause) ? 0 : retryAfterMsOf(cause, reason);
  return new AppError(reason, { cause, retryAfterMs });
}

/** As `bedrockError`, for what is thrown after the answer has begun: what says nothing else means that it broke off. */
export function bedrockStreamError(cause: unknown): AppError {
  const error = bedrockError(cause);
  return error.reason === 'INTERNAL' ? new AppError('MODEL_STREAM_BROKEN', { cause }) : error;
}

/** What the answer asked to wait, when it asked: the catalogue's own times are not meant. */
export function askedPauseMs({ cause, retryAfterMs }: AppError): number | undefined {
  return retryAfterHeader(cause) === undefined ? undefined : retryAfterMs;
}

function reasonOf(cause: unknown): Reason {
  const name = nameOf(cause);
  const message = cause instanceof Error ? cause.message : '';
  if (name === 'ThrottlingException' && ofTheDay.test(message)) return 'MODEL_QUOTA_EXCEEDED';
  if (name === 'ValidationException' && ofTheModel.test(message)) return 'MODEL_NOT_FOUND';
  if (name === 'ModelErrorException' || name === 'ModelStreamErrorException') {
    const original = reasonOfOriginal(cause);
    if (original !== undefined) return original;
  }
  const status = httpStatusOf(cause);
  // Something between answered with a page of its own.
  if (name === 'SyntaxError' && status !== undefined && status >= 300) return byFault[awsFault(cause)];
  return byName[name] ?? (isOfTheConnection(cause) ? 'MODEL_UNAVAILABLE' : byFault[awsFault(cause)]);
}

/** An exception that the SDK has no class for keeps the name that it has in the stream, which begins in lower case. */
function nameOf(cause: unknown): string {
  const name = errorNameOf(cause);
  return /^[a-z]\w*Exception$/.test(name) ? `${name.charAt(0).toUpperCase()}${name.slice(1)}` : name;
}

/** The status that the model itself gave, where Bedrock hands it on. */
function reasonOfOriginal(cause: unknown): Reason | undefined {
  if (typeof cause !== 'object' || cause === null || !('originalStatusCode' in cause)) return undefined;
  const { originalStatusCode: status } = cause;
  if (typeof status !== 'number') return undefined;
  if (status === 429) return 'MODEL_THROTTLED';
  return status >= 400 && status < 500 && status !== 408 ? 'MODEL_INPUT_INVALID' : undefined;
}

function isOfTheConnection(cause: unknown): boolean {
  return cause instanceof Error && httpStatusOf(cause) === undefined && ofTheConnection.test(cause.message);
}

function ofAbort(cause: unknown): AppError {
  const why = cause instanceof Error ? cause.cause : undefined;
  if (why instanceof Error) return AppError.from(why);
  return new AppError('CANCELLED', { cause });
}

/** The SDK has set its clock by the answer: the next call is signed for the right time. */
function isClockCorrected(cause: unknown): boolean {
  if (!(cause instanceof Error) || !('$metadata' in cause)) return false;
  const metadata: unknown = cause.$metadata;
  return typeof metadata === 'object' && metadata !== null && 'clockSkewCorrected' in metadata;
}

const waitable: ReadonlySet<Reason> = new Set<Reason>(['MODEL_THROTTLED', 'MODEL_UNAVAILABLE', 'MODEL_QUOTA_EXCEEDED']);

function retryAfterMsOf(cause: unknown, reason: Reason): number | undefined {
  return waitable.has(reason) ? retryAfterHeader(cause) : undefined;
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). */
function retryAfterHeader(cause: unknown): number | undefined {
  if (typeof cause !== 'object' || cause === null || !('$response' in cause)) return undefined;
  const response: unknown = cause.$response;
  if (typeof response !== 'object' || response === null || !('headers' in response)) return undefined;
  const { 'retry-after': value } = response.headers as Readonly<Record<string, string | undefined>>;
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), maxRetryAfterMs) : undefined;
}
