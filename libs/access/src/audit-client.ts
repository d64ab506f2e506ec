/** Recording of audit events. An event that is not durable is an error: who gets it returns no PHI. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { AppError, asPrincipal, isTransient, type CallContext, type ServiceClient } from '@wardstone/rpc';
import {
  type AuditService,
  NewEventSchema,
  Outcome,
  type NewEvent,
} from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { v7 as uuidv7 } from 'uuid';
import type { Denial, OnDenied } from './caller-check.ts';

/** What is audited: resource and action of the permission, or a step of a job. */
export type AuditAction = `${string}.${string}`;
/** How what was tried ended. */
export type AuditOutcome = 'success' | 'denied' | 'failure';

/** Whose act it was: a call's context has this shape. */
export type AuditCall = Pick<CallContext, 'principal' | 'requestId'> & { readonly signal?: AbortSignal };

/** An event; ids, counts and words of fixed lists only, never content. */
export interface NewAuditEvent {
  readonly action: AuditAction;
  readonly resourceType: string;
  readonly resourceIds: readonly string[];
  readonly outcome: AuditOutcome;
  /** Reason of the catalogue when it did not succeed. */
  readonly reason?: string | undefined;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** When it happened, in milliseconds since 1970; now if left out. */
  readonly occurredAtMs?: number | undefined;
}

/** Appends events to the audit log of the principal's tenant. */
export interface Auditor {
  /**
   * Answers when the event is durable. Thrown: AUDIT_UNAVAILABLE when waiting may help; INTERNAL when the audit service
   * refused the event, which no repetition changes; CANCELLED. Whatever is thrown, nothing may be shown.
   */
  record(call: AuditCall, event: NewAuditEvent): Promise<void>;
  /** The same for events that belong together: at most 100, one append, all or none. */
  recordAll(call: AuditCall, events: readonly NewAuditEvent[]): Promise<void>;
}

const outcomes = { success: Outcome.SUCCESS, denied: Outcome.DENIED, failure: Outcome.FAILURE } as const;
const maxEvents = 100;
const maxIdsPerEvent = 200;
const attempts = 2;
const timeoutMs = 5000;

/**
 * An auditor over the audit service. The event id is chosen before the first attempt, so that a repeated append is
 * recorded once. An event with more ids than one may carry becomes several in the same append.
 */
export function createAuditor(client: ServiceClient<typeof AuditService>, clock: () => number = Date.now): Auditor {
  const recordAll = async (call: AuditCall, events: readonly NewAuditEvent[]): Promise<void> => {
    const wire = events.flatMap((event) => split(event).map((part) => toWire(part, call.requestId, clock())));
    if (wire.length === 0) return;
    if (wire.length > maxEvents) throw new AppError('INTERNAL', { message: 'too many audit events in one append' });
    await append(client, call, wire);
  };
  return { record: (call, event) => recordAll(call, [event]), recordAll };
}

/**
 * An `onDenied` for the caller check that records denials. Best effort: a denial returns no data, so that a log line is
 * enough when the audit service is away. `logFailure` gets the denial that was not recorded.
 */
export function createDenialRecorder(options: {
  auditor: Pick<Auditor, 'record'>;
  requestId: () => string;
  logFailure: (error: unknown, denial: Denial) => void;
}): OnDenied {
  return async (denial) => {
    const { principal, resource, action, peer, method, reason } = denial;
    try {
      await options.auditor.record(
        { principal, requestId: options.requestId() },
        {
          action: `${resource}.${action}`,
          resourceType: resource,
          resourceIds: [],
          outcome: 'denied',
          reason,
          attributes: { peer, method },
        },
      );
    } catch (error) {
      options.logFailure(error, denial);
    }
  };
}

async function append(client: ServiceClient<typeof AuditService>, call: AuditCall, events: NewEvent[]): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await client.appendEvents({ events }, optionsOf(call));
      if (response.recorded.length !== events.length) throw new AppError('AUDIT_UNAVAILABLE');
      return;
    } catch (cause) {
      if (call.signal?.aborted === true) throw new AppError('CANCELLED', { cause });
      if (!mayPass(cause)) throw new AppError('INTERNAL', { cause });
      if (attempt >= attempts) throw new AppError('AUDIT_UNAVAILABLE', { cause });
    }
  }
}

/**
 * Whether the append may succeed later. Jobs repeat what is AUDIT_UNAVAILABLE without limit: an event that is refused for
 * what it is, or for who sends it, must not pass for it.
 */
function mayPass(failure: unknown): boolean {
  const { reason, cause } = AppError.from(failure);
  if (isTransient(reason)) return true;
  // Something between the services had too much to do. An event that is too large for the service itself says so by name.
  return cause instanceof ConnectError && cause.code === Code.ResourceExhausted && cause.details.length === 0;
}

function optionsOf(call: AuditCall): ReturnType<typeof asPrincipal> {
  const { principal, requestId, signal } = call;
  return asPrincipal(principal, { requestId, timeoutMs, ...(signal === undefined ? {} : { signal }) });
}

function split(event: NewAuditEvent): NewAuditEvent[] {
  const parts: NewAuditEvent[] = [];
  for (let at = 0; at === 0 || at < event.resourceIds.length; at += maxIdsPerEvent) {
    parts.push({ ...event, resourceIds: event.resourceIds.slice(at, at + maxIdsPerEvent) });
  }
  return parts;
}

function toWire(event: NewAuditEvent, requestId: string, nowMs: number): NewEvent {
  const { action, resourceType, resourceIds, outcome, reason, attributes, occurredAtMs } = event;
  return create(NewEventSchema, {
    eventId: uuidv7(),
    occurredAt: timestampFromMs(occurredAtMs ?? nowMs),
    action,
    resourceType,
    resourceIds: [...resourceIds],
    outcome: outcomes[outcome],
    reason: reason ?? '',
    requestId,
    attributes: { ...attributes },
  });
}
