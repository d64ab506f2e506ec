export { AppError, needs, type AppErrorOptions, type FieldViolation } from './app-error.ts';
export { documentFailures, isReason, isTransient, reasons, specOf, type Reason, type ReasonSpec } from './reasons.ts';
export type { CallerCheck, Principal } from './principal.ts';
export { asPrincipal, callContext, callValues, drainingSignal, forward, tenantOf, type CallContext } from './call.ts';
export {
  decodePageToken,
  encodePageToken,
  pageTokensOf,
  type PageTokens,
  type PageTokenShape,
  type PageTokenValue,
} from './page-token.ts';
export { pause } from './pause.ts';
export { createSlots, tenantShare, withTenantSlot, type SlotBounds, type Slots } from './slots.ts';
export { retryDelayMs, withRetry, type RetryDelays, type RetryOptions } from './retry.ts';
export { runUntilSignal, type Closable } from './run-until-signal.ts';
export { createTimerLoop, type TimerLoop, type TimerLoopOptions } from './timer-loop.ts';
export { Scope, type Access, access } from './gen/wardstone/access/v1/access_pb.ts';
export { startServer } from './server/start-server.ts';
export { createInMemoryTransport } from './server/in-memory.ts';
export type { RunningServer, ServerLimits, ServerOptions } from './server/types.ts';
export { createServiceClient, type ClientOptions, type ServiceClient } from './client/service-client.ts';
export { peerHealth } from './client/peer-health.ts';
export type { ConnectionOptions } from './client/connection.ts';
export { redact } from './redact.ts';
export { createStreamMemory, type StreamMemory } from './stream-memory.ts';
