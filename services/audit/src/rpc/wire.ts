import { create } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { AppError, type CallContext } from '@wardstone/rpc';
import {
  AuditEventSchema,
  Outcome,
  type AuditEvent as WireEvent,
  type NewEvent,
} from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import type { AuditEvent, AuditOutcome, EventContent } from '../domain/audit-event.ts';

const outcomeOfWire: ReadonlyMap<Outcome, AuditOutcome> = new Map([
  [Outcome.SUCCESS, 'success'],
  [Outcome.DENIED, 'denied'],
  [Outcome.FAILURE, 'failure'],
]);

const outcomeToWire: Readonly<Record<AuditOutcome, Outcome>> = {
  success: Outcome.SUCCESS,
  denied: Outcome.DENIED,
  failure: Outcome.FAILURE,
};

/** Who acts, as the call says it. Nothing of this comes from a message. */
export function actorOf(
  call: Pick<CallContext, 'principal'>,
  service: string,
): Pick<EventContent, 'tenantId' | 'actorSubject' | 'actorKind' | 'actorRoles' | 'purposeOfUse' | 'service'> {
  const { subject, kind, roles, tenantId, purposeOfUse } = call.principal;
  return {
    tenantId,
    actorSubject: subject,
    actorKind: kind,
    actorRoles: roles,
    purposeOfUse: purposeOfUse ?? '',
    service,
  };
}

/** A reported event with the actor of its call. Thrown: INVALID_ARGUMENT for an outcome that is none. */
export function fromWire(event: NewEvent, call: Pick<CallContext, 'principal' | 'peer'>): EventContent {
  const { action, resourceType, resourceIds, reason, requestId, attributes } = event;
  return {
    ...actorOf(call, call.peer),
    eventId: event.eventId.toLowerCase(),
    occurredAtMs: event.occurredAt ? timestampMs(event.occurredAt) : invalid('occurred_at'),
    action,
    resourceType,
    resourceIds,
    outcome: outcomeFromWire(event.outcome) ?? invalid('outcome'),
    reason,
    requestId,
    attributes,
  };
}

/** Undefined when none is stated. */
export function outcomeFromWire(outcome: Outcome): AuditOutcome | undefined {
  return outcomeOfWire.get(outcome);
}

/** A recorded event as it is shown. */
export function toWire(event: AuditEvent): WireEvent {
  const { tenantId, occurredAtMs, recordedAtMs, outcome, actorRoles, resourceIds, attributes, ...rest } = event;
  return create(AuditEventSchema, {
    ...rest,
    tenantId: tenantId ?? '',
    occurredAt: timestampFromMs(occurredAtMs),
    recordedAt: timestampFromMs(recordedAtMs),
    outcome: outcomeToWire[outcome],
    actorRoles: [...actorRoles],
    resourceIds: [...resourceIds],
    attributes: { ...attributes },
  });
}

function invalid(field: string): never {
  throw new AppError('INVALID_ARGUMENT', { violations: [{ field, description: 'is required' }] });
}
