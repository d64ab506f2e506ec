export { AppError, needs, type AppErrorOptions, type FieldViolation } from './app-error.ts';
export { isReason, isTransient, reasons, specOf, type Reason, type ReasonSpec } from './reasons.ts';
export type { CallerCheck, Principal } from './principal.ts';
export {
  asPrincipal,
  callContext,
  callValues,
  drainingSignal,
  forward,
  tenantOf,
  type CallContext,
} from './call.ts';
export { decodePageToken, encodePageToken, type PageTokenShape, type PageTokenValue } from './page-token.ts';
export { runUntilSignal, type Closable } from './run-until-signal.ts';
export { Scope, type Access, access } from './gen/wardstone/access/v1/access_pb.ts';
