import { randomUUID } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Principal } from '@wardstone/rpc';
import { NewEventSchema, Outcome, type NewEvent } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { v7 as uuidv7 } from 'uuid';
import type { EventContent } from '../../src/domain/audit-event.ts';

export const tenantA = '0192f0c1-2d3e-7a4b-8c5d-6e7f8a9b0c1d';
export const tenantB = '0192f0c1-2d3e-7a4b-8c5d-6e7f8a9b0c2e';

/** A tenant that no other test writes to. */
export const newTenant = (): string => randomUUID();

/** An event of a clinician who downloads a document. */
export function content(overrides: Partial<EventContent> = {}): EventContent {
  return {
    eventId: uuidv7(),
    tenantId: tenantA,
    occurredAtMs: 1_795_000_000_123,
    actorSubject: 'user-1',
    actorKind: 'user',
    actorRoles: ['clinician'],
    purposeOfUse: 'TREAT',
    service: 'ingestion',
    action: 'document.download',
    resourceType: 'document',
    resourceIds: ['doc-1'],
    outcome: 'success',
    reason: '',
    requestId: 'req-1',
    attributes: { bytes: '10', pages: '2' },
    ...overrides,
  };
}

/** The same event as it comes over the wire. */
export function newEvent(overrides: Omit<MessageInitShape<typeof NewEventSchema>, '$typeName'> = {}): NewEvent {
  return create(NewEventSchema, {
    eventId: uuidv7(),
    occurredAt: timestampFromMs(1_795_000_000_123),
    action: 'document.download',
    resourceType: 'document',
    resourceIds: ['doc-1'],
    outcome: Outcome.SUCCESS,
    requestId: 'req-1',
    attributes: { pages: '2' },
    ...overrides,
  });
}

export function principal(overrides: Partial<Principal> = {}): Principal {
  return { subject: 'user-1', kind: 'user', tenantId: tenantA, roles: ['clinician'], ...overrides };
}

/** What a promise was rejected with; an error of its own when it was not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a rejection');
}
