import {
  type CallOptions,
  type ContextValues,
  type HandlerContext,
  createContextKey,
  createContextValues,
} from '@connectrpc/connect';
import type { Logger } from '@wardstone/telemetry';
import { AppError, needs } from './app-error.ts';
import type { Principal } from './principal.ts';

/** What a handler knows of its call. */
export interface CallContext {
  readonly principal: Principal;
  /** Who opened the connection: 'gateway', another service's name, or 'client' for an internal team's program. */
  readonly peer: string;
  readonly requestId: string;
  /** Aborts when the caller cancels or hangs up, when the deadline passes, and when the call is over. */
  readonly signal: AbortSignal;
  /** Time left, at least 0; undefined when there is no deadline. */
  timeoutMs(): number | undefined;
  readonly log: Logger;
}

const callKey = createContextKey<CallContext | undefined>(undefined, { description: 'wardstone call' });
const drainingKey = createContextKey<AbortSignal | undefined>(undefined, { description: 'wardstone draining' });

/** The call that a handler serves. Set by the server's gate and interceptors. */
export function callContext(ctx: Pick<HandlerContext, 'values'>): CallContext {
  const call = ctx.values.get(callKey);
  if (!call) throw new AppError('INTERNAL', { cause: new Error('the handler was called without the server kit') });
  return call;
}

/** Context values that hold a call, for testing a handler directly: `createHandlerContext({ contextValues: callValues(call), … })`. */
export function callValues(call: CallContext, values: ContextValues = createContextValues()): ContextValues {
  return values.set(callKey, call);
}

/**
 * Aborts when the server begins to drain. Streams without an end (a watch) end themselves then, so that a restart need not
 * wait for them; their callers watch again.
 */
export function drainingSignal(ctx: Pick<HandlerContext, 'values'>): AbortSignal {
  return ctx.values.get(drainingKey) ?? never;
}

/** Sets what drainingSignal gives. */
export function setDraining(values: ContextValues, signal: AbortSignal): void {
  values.set(drainingKey, signal);
}

const never = new AbortController().signal;

/**
 * The tenant of a call.
 * Thrown: AppError TENANT_REQUIRED when the principal belongs to none.
 */
export function tenantOf(call: Pick<CallContext, 'principal'>): string {
  const { tenantId } = call.principal;
  needs(tenantId, 'TENANT_REQUIRED');
  return tenantId;
}

/** What an outgoing call carries for its caller. */
export interface Outgoing {
  readonly principal: Principal;
  readonly requestId: string | undefined;
}

const outgoingKey = createContextKey<Outgoing | undefined>(undefined, { description: 'wardstone outgoing call' });

/** Who an outgoing call is made for, or undefined when nobody said. */
export function outgoingOf(values: ContextValues | undefined): Outgoing | undefined {
  return values?.get(outgoingKey);
}

/** A little less than the caller's deadline, so that our answer about a slow peer still reaches the caller. */
const deadlineMarginMs = 50;

/**
 * Options for a call that is made on behalf of a call: same principal, request id, signal and trace, and what is left of its
 * deadline. With `timeoutMs`, at most that long.
 */
export function forward(call: CallContext, overrides: { readonly timeoutMs?: number | undefined } = {}): CallOptions {
  const left = call.timeoutMs();
  const bounds = [overrides.timeoutMs, left === undefined ? undefined : left - deadlineMarginMs];
  const timeoutMs = Math.min(...bounds.filter((bound) => bound !== undefined));
  return asPrincipal(call.principal, {
    requestId: call.requestId,
    signal: call.signal,
    timeoutMs: Number.isFinite(timeoutMs) ? Math.max(1, Math.floor(timeoutMs)) : undefined,
  });
}

/** Options for a call that a job or the gateway makes for a principal. */
export function asPrincipal(
  principal: Principal,
  options: {
    readonly requestId?: string | undefined;
    readonly timeoutMs?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): CallOptions {
  const values = createContextValues().set(outgoingKey, { principal, requestId: options.requestId });
  return {
    contextValues: values,
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
    ...(options.signal && { signal: options.signal }),
  };
}
