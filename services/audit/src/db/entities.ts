import { nilUuid } from '@wardstone/db';
import { EntitySchema } from 'typeorm';
import { outcomes, type AuditEvent, type AuditOutcome } from '../domain/audit-event.ts';

/** Row of table `audit_event`. */
export interface AuditEventRow {
  /** The nil UUID for the platform's chain. */
  tenantId: string;
  /** bigint comes as text. */
  sequence: string;
  eventId: string;
  occurredAt: Date;
  recordedAt: Date;
  actorSubject: string;
  actorKind: string;
  actorRoles: string[];
  purposeOfUse: string;
  service: string;
  action: string;
  resourceType: string;
  resourceIds: string[];
  outcome: AuditOutcome;
  reason: string;
  requestId: string;
  attributes: Record<string, string>;
  previousHash: Buffer;
  hash: Buffer;
}

export const auditEventEntity = new EntitySchema<AuditEventRow>({
  name: 'audit_event',
  tableName: 'audit_event',
  columns: {
    tenantId: { name: 'tenant_id', type: 'uuid', primary: true },
    sequence: { type: 'bigint', primary: true },
    eventId: { name: 'event_id', type: 'uuid' },
    occurredAt: { name: 'occurred_at', type: 'timestamptz', precision: 3 },
    recordedAt: { name: 'recorded_at', type: 'timestamptz', precision: 3 },
    actorSubject: { name: 'actor_subject', type: 'text' },
    actorKind: { name: 'actor_kind', type: 'text' },
    actorRoles: { name: 'actor_roles', type: 'text', array: true },
    purposeOfUse: { name: 'purpose_of_use', type: 'text' },
    service: { type: 'text' },
    action: { type: 'text' },
    resourceType: { name: 'resource_type', type: 'text' },
    resourceIds: { name: 'resource_ids', type: 'text', array: true },
    outcome: { type: 'text' },
    reason: { type: 'text' },
    requestId: { name: 'request_id', type: 'text' },
    attributes: { type: 'jsonb' },
    previousHash: { name: 'previous_hash', type: 'bytea' },
    hash: { type: 'bytea' },
  },
});

/** An event as its row. */
export function toRow(event: AuditEvent): AuditEventRow {
  const { occurredAtMs, recordedAtMs, sequence, tenantId, actorRoles, resourceIds, attributes, ...rest } = event;
  return {
    ...rest,
    tenantId: tenantId ?? nilUuid,
    sequence: sequence.toString(),
    occurredAt: new Date(occurredAtMs),
    recordedAt: new Date(recordedAtMs),
    actorRoles: [...actorRoles],
    resourceIds: [...resourceIds],
    attributes: { ...attributes },
    previousHash: Buffer.from(event.previousHash),
    hash: Buffer.from(event.hash),
  };
}

/** A row as its event. */
export function toEvent(row: AuditEventRow): AuditEvent {
  const { occurredAt, recordedAt, sequence, tenantId, previousHash, hash, outcome, ...rest } = row;
  if (!outcomes.includes(outcome)) throw new TypeError('a recorded event has an outcome that is none');
  return {
    ...rest,
    outcome,
    tenantId: tenantId === nilUuid ? undefined : tenantId,
    sequence: BigInt(sequence),
    occurredAtMs: occurredAt.getTime(),
    recordedAtMs: recordedAt.getTime(),
    previousHash: new Uint8Array(previousHash),
    hash: new Uint8Array(hash),
  };
}
