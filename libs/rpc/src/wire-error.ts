import type { ConnectError } from '@connectrpc/connect';
import { Code } from '@connectrpc/connect';
import type { AppErrorOptions } from './app-error.ts';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.ts';
import { type Reason, isReason } from './reasons.ts';

/** Domain of our ErrorInfo. */
export const domain = 'wardstone';

/** For errors that carry no reason of ours: made by Connect itself, or by a server that is not Wardstone's. */
export const reasonByCode: Record<Code, Reason> = {
  [Code.Canceled]: 'CANCELLED',
  [Code.Unknown]: 'INTERNAL',
  [Code.InvalidArgument]: 'INVALID_ARGUMENT',
  [Code.DeadlineExceeded]: 'DEADLINE_EXCEEDED',
  [Code.NotFound]: 'NOT_FOUND',
  [Code.AlreadyExists]: 'INVALID_ARGUMENT',
  [Code.PermissionDenied]: 'PERMISSION_DENIED',
  [Code.ResourceExhausted]: 'BODY_TOO_LARGE',
  [Code.FailedPrecondition]: 'INVALID_ARGUMENT',
  [Code.Aborted]: 'CANCELLED',
  [Code.OutOfRange]: 'INVALID_ARGUMENT',
  [Code.Unimplemented]: 'UNIMPLEMENTED',
  [Code.Internal]: 'INTERNAL',
  [Code.Unavailable]: 'SERVICE_UNAVAILABLE',
  [Code.DataLoss]: 'INTERNAL',
  [Code.Unauthenticated]: 'UNAUTHENTICATED',
};

/** What an error from the wire says: the reason it carries, or the nearest one for its code. */
export function fromWire(error: ConnectError): { reason: Reason; options: AppErrorOptions } {
  const info = error.findDetails(ErrorInfoSchema).find((detail) => detail.domain === domain);
  if (!info || !isReason(info.reason)) return { reason: reasonByCode[error.code], options: { cause: error } };
  const retry = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const violations = error
    .findDetails(BadRequestSchema)
    .flatMap((detail) => detail.fieldViolations)
    .map(({ field, description }) => ({ field, description }));
  return {
    reason: info.reason,
    options: {
      cause: error,
      message: error.rawMessage,
      metadata: info.metadata,
      violations,
      retryAfterMs: retry && Number(retry.seconds) * 1_000 + retry.nanos / 1_000_000,
    },
  };
}
