/** What the errors of AWS KMS mean to the platform. */
import { awsFault, errorNameOf, type AwsFault } from '@wardstone/aws';
import { AppError, type Reason } from '@wardstone/rpc';

/** Errors that KMS alone knows. Its quota of keys (LimitExceededException) is not one that waiting helps against. */
const byName: Readonly<Record<string, Reason>> = {
  DisabledException: 'KEY_DISABLED',
  InvalidCiphertextException: 'SEALED_VALUE_INVALID',
  IncorrectKeyException: 'SEALED_VALUE_INVALID',
  NotFoundException: 'KEY_UNAVAILABLE',
  InvalidArnException: 'KEY_UNAVAILABLE',
  KeyUnavailableException: 'KEY_UNAVAILABLE',
  KMSInternalException: 'KEY_UNAVAILABLE',
  DependencyTimeoutException: 'KEY_UNAVAILABLE',
};

const byFault: Readonly<Record<AwsFault, Reason>> = {
  throttled: 'KMS_THROTTLED',
  'access-denied': 'KMS_ACCESS_DENIED',
  'credentials-expired': 'CREDENTIALS_EXPIRED',
  'clock-skew': 'CLOCK_SKEW',
  unavailable: 'KEY_UNAVAILABLE',
  refused: 'INTERNAL',
};

/** An AppError for whatever the client threw. */
function kmsError(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  const name = errorNameOf(cause);
  // Nobody but the call's own time limit aborts a call.
  if (name === 'AbortError') return new AppError('KEY_UNAVAILABLE', { cause });
  return new AppError(byName[name] ?? reasonOfState(name, cause) ?? byFault[awsFault(cause)], { cause });
}

/** Runs work of the adapter. Thrown: AppErrors alone. */
export async function inAws<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw kmsError(error);
  }
}

/** The answer, or undefined when AWS refuses with the error of that name. */
export async function unless<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (errorNameOf(error) === name) return undefined;
    throw error;
  }
}

/** One name for every state that forbids the request; the message tells which it is. */
function reasonOfState(name: string, cause: unknown): Reason | undefined {
  if (name !== 'KMSInvalidStateException') return undefined;
  const pending = cause instanceof Error && /pending deletion/i.test(cause.message);
  return pending ? 'KEY_PENDING_DELETION' : 'KEY_UNAVAILABLE';
}
