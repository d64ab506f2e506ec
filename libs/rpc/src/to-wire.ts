import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { ConnectError } from '@connectrpc/connect';
import { AppError } from './app-error.ts';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.ts';
import type { Reason } from './reasons.ts';
import { domain, reasonByCode } from './wire-error.ts';

/** An AppError as it travels: code, message, google.rpc.ErrorInfo, and BadRequest and RetryInfo where they say something. */
export function toWire(error: AppError): ConnectError {
  const details: ConnectError['details'] = [
    { desc: ErrorInfoSchema, value: { reason: error.reason, domain, metadata: { ...error.metadata } } },
  ];
  if (error.violations.length > 0) {
    details.push({
      desc: BadRequestSchema,
      value: { fieldViolations: error.violations.map((violation) => ({ ...violation })) },
    });
  }
  if (error.retryAfterMs !== undefined) {
    details.push({
      desc: RetryInfoSchema,
      value: { retryDelay: create(DurationSchema, durationOf(error.retryAfterMs)) },
    });
  }
  const wire = new ConnectError(error.message, error.code);
  wire.details = details;
  wire.cause = error;
  return wire;
}

/**
 * Gives an error that Connect itself made (a body that does not parse, is too large, or comes too late) the reason for its
 * code, in place, because Connect writes the very object that it made. The message becomes the catalogue's: Connect's own
 * quotes what it could not read. An error that carries a reason, or that came over the wire, stays as it is.
 */
export function completeError(error: ConnectError): void {
  if (error.details.length > 0 || error.cause instanceof AppError) return;
  const { rawMessage, code, details } = toWire(new AppError(reasonOf(error)));
  error.details = details;
  Object.defineProperties(error, { rawMessage: { value: rawMessage }, code: { value: code } });
}

/** Whether Connect could not parse a binary message. It says internal; on a server it is the caller who sent what it sent. */
export function isUnparsable(error: unknown): boolean {
  return error instanceof ConnectError && !error.isWireError && error.rawMessage.startsWith('parse binary: ');
}

function reasonOf(error: ConnectError): Reason {
  return isUnparsable(error) ? 'INVALID_ARGUMENT' : reasonByCode[error.code];
}

function durationOf(ms: number): { seconds: bigint; nanos: number } {
  return { seconds: BigInt(Math.floor(ms / 1_000)), nanos: Math.round((ms % 1_000) * 1_000_000) };
}
