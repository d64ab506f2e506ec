/** What the errors of S3 mean to the platform. S3 hands on what KMS said of the key that an object is encrypted under. */
import { awsFault, errorNameOf, httpStatusOf, type AwsFault } from '@wardstone/aws';
import { AppError, type Reason } from '@wardstone/rpc';
import { objectNotFound } from './object-store.ts';

const byName: Readonly<Record<string, Reason>> = {
  'KMS.DisabledException': 'KEY_DISABLED',
  // Said of a key that is being made as well, but a tenant's has been made before there are objects.
  'KMS.KMSInvalidStateException': 'KEY_PENDING_DELETION',
  'KMS.ThrottlingException': 'KMS_THROTTLED',
  NoSuchBucket: 'OBJECT_STORE_UNAVAILABLE',
  // The upload was ended by somebody else, who removed what is under its prefix.
  NoSuchUpload: 'OBJECT_STORE_UNAVAILABLE',
  // Bytes that were altered on the way: to be sent again.
  BadDigest: 'OBJECT_STORE_UNAVAILABLE',
  PreconditionFailed: 'OBJECT_CHANGED',
  // Of two conditional writes at once the other one was first.
  ConditionalRequestConflict: 'OBJECT_CHANGED',
};

const byFault: Readonly<Record<AwsFault, Reason>> = {
  throttled: 'OBJECT_STORE_THROTTLED',
  'access-denied': 'OBJECT_STORE_ACCESS_DENIED',
  'credentials-expired': 'CREDENTIALS_EXPIRED',
  'clock-skew': 'CLOCK_SKEW',
  unavailable: 'OBJECT_STORE_UNAVAILABLE',
  refused: 'INTERNAL',
};

/** An AppError for whatever the client threw. An abort is CANCELLED: nobody but the caller's signal aborts. */
export function s3Error(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  const name = errorNameOf(cause);
  if (name === 'AbortError') return new AppError('CANCELLED', { cause });
  if (name === 'NoSuchKey') return objectNotFound(cause);
  return new AppError(byName[name] ?? keyReason(name) ?? byFault[awsFault(cause)], { cause });
}

/** Any other refusal by KMS: the key is gone, or cannot be had. */
function keyReason(name: string): Reason | undefined {
  return name.startsWith('KMS.') ? 'KEY_UNAVAILABLE' : undefined;
}

/** Runs work of the store. Thrown: AppErrors alone. */
export async function inS3<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw s3Error(error);
  }
}

/** Whether S3 says that there is nothing; to a HEAD request it does not say what of. */
export function isMissing(error: unknown): boolean {
  return errorNameOf(error) === 'NotFound' || httpStatusOf(error) === 404;
}
