import { type AuditEvent, OutcomeSchema } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { enumName } from './enums.ts';
import { toInstant } from './timestamp.ts';

/** An audit event as the API shows it. */
export function toAuditEvent(event: AuditEvent) {
  return {
    eventId: event.eventId,
    sequence: Number(event.sequence),
    ...(event.tenantId === '' ? {} : { tenantId: event.tenantId }),
    occurredAt: toInstant(event.occurredAt),
    recordedAt: toInstant(event.recordedAt),
    actor: { subject: event.actorSubject, kind: event.actorKind, roles: event.actorRoles },
    ...(event.purposeOfUse === '' ? {} : { purposeOfUse: event.purposeOfUse }),
    service: event.service,
    action: event.action,
    resourceType: event.resourceType,
    resourceIds: event.resourceIds,
    outcome: enumName(OutcomeSchema, event.outcome, 'FAILURE'),
    ...(event.reason === '' ? {} : { reason: event.reason }),
    requestId: event.requestId,
    attributes: event.attributes,
    previousHash: Buffer.from(event.previousHash).toString('hex'),
    hash: Buffer.from(event.hash).toString('hex'),
  };
}
