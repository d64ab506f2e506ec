/**
 * What the error of an AWS client means, whatever the service. Names are those of the common errors of AWS APIs and of the
 * S3 error responses; the SDK has repeated what may be repeated before it throws.
 */

/** The classes that callers tell apart. */
export type AwsFault =
  /** Asked too often. Waiting helps. */
  | 'throttled'
  /** The role may not do this, or its credentials are not known. */
  | 'access-denied'
  | 'credentials-expired'
  /** The signature's time is too far from the service's, also after the SDK has corrected its clock. */
  | 'clock-skew'
  /** Not reached, not answered in time, or the service's own fault. Waiting helps. */
  | 'unavailable'
  /** Anything else: a fault of the request, thus of the program or of its configuration. */
  | 'refused';

const throttled = new Set([
  'BandwidthLimitExceeded',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
]);

const credentialsExpired = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired']);

const clockSkew = new Set(['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture']);

const accessDenied = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'AccountProblem',
  'AllAccessDisabled',
  'IncompleteSignature',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'InvalidToken',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'NotAuthorized',
  'OptInRequired',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
]);

/**
 * Names of errors that no service sent. A provider of credentials that has none may have been asked too early or over a
 * broken network, so that they count as the service being away.
 */
const unreached = new Set(['TimeoutError', 'CredentialsProviderError', 'TokenProviderError', 'RequestTimeout']);

/** The class of what a client threw. An AbortError is the caller's own and none of these: ask before. */
export function awsFault(error: unknown): AwsFault {
  const name = errorNameOf(error);
  const status = httpStatusOf(error);
  if (throttled.has(name) || status === 429) return 'throttled';
  if (credentialsExpired.has(name)) return 'credentials-expired';
  if (clockSkew.has(name) || isStaleSignature(name, error)) return 'clock-skew';
  if (accessDenied.has(name) || status === 401 || status === 403) return 'access-denied';
  if (unreached.has(name)) return 'unavailable';
  // Without a status nothing was answered; with a good one the answer came in broken.
  if (status === undefined) return isOfTheNetwork(error) ? 'unavailable' : 'refused';
  return status >= 500 || status < 300 ? 'unavailable' : 'refused';
}

/** The name by which AWS calls the error; '' when there is none. */
export function errorNameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

/** The status of the answer; undefined when there was none. */
export function httpStatusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const metadata: unknown = error.$metadata;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/** Services with JSON say by the message alone that a signature is refused for its time. */
function isStaleSignature(name: string, error: unknown): boolean {
  if (name !== 'InvalidSignatureException' || !(error instanceof Error)) return false;
  return /^Signature (expired|not yet current)/.test(error.message);
}

/** Errors of Node's sockets, resolver and TLS have a code. */
function isOfTheNetwork(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}
