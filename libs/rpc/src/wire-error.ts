import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import type { AppError, AppErrorOptions } from './app-error.ts';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.ts';
import { type Reason, isReason } from './reasons.ts';

const domain = 'wardstone';

type Details = ConnectError['details'];

// For errors that carry no reason of ours: thrown by Connect itself, or by a server that is not Wardstone's.
const reasonByCode: Record<Code, Reason> = {
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

/** An AppError as it travels: code, message, google.rpc.ErrorInfo, and BadRequest and RetryInfo where they say something. */
export function toWire(error: AppError): ConnectError {
  const details: Details = [
    { desc: ErrorInfoSchema, value: { reason: error.reason, domain, metadata: { ...error.metadata } } },
  ];
  if (error.violations.length > 0) {
    details.push({ desc: BadRequestSchema, value: { fieldViolations: error.violations.map((violation) => ({ ...violation })) } });
  }
  if (error.retryAfterMs !== undefined) {
    details.push({ desc: RetryInfoSchema, value: { retryDelay: create(DurationSchema, durationOf(error.retryAfterMs)) } });
  }
  const wire = new ConnectError(error.message, error.code);
  wire.details = details;
  wire.cause = error;
  return wire;
}

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

/** Whether an error carries a reason of ours already. */
export function carriesReason(error: ConnectError): boolean {
  return error.findDetails(ErrorInfoSchema).some((detail) => detail.domain === domain);
}

function durationOf(ms: number): { seconds: bigint; nanos: number } {
  return { seconds: BigInt(Math.floor(ms / 1_000)), nanos: Math.round((ms % 1_000) * 1_000_000) };
}
