import { z } from 'zod';
import { count, id, instant } from './fields.ts';
import { pageOf, pageQuery } from './page.ts';

/** How what was tried ended. */
const auditOutcomes = ['SUCCESS', 'DENIED', 'FAILURE'] as const;

const sha256 = z.string();

const eventExample = {
  eventId: '01970000-0000-7000-8000-000000000004',
  sequence: 17,
  tenantId: '01970000-0000-7000-8000-000000000003',
  occurredAt: '2026-11-22T09:31:00.000Z',
  recordedAt: '2026-11-22T09:31:00.004Z',
  actor: { subject: 'user-1', kind: 'user', roles: ['clinician'] },
  purposeOfUse: 'TREAT',
  service: 'retrieval',
  action: 'search.read',
  resourceType: 'document',
  resourceIds: ['01970000-0000-7000-8000-000000000001'],
  outcome: 'SUCCESS',
  requestId: '01970000-0000-7000-8000-00000000000a',
  attributes: { hits: '8' },
  previousHash: '3b1c6a9e0f5d48277ce0a4139d8b52f6e17a0c94d2638b5f4e90a7c1d6f28b35',
  hash: '9af04d27c61b83e5527e0d9c4f18a6b3d07e925c8b41f6a0e3d27c95184b6fa2',
};

/** An event as recorded. */
export const auditEventSchema = z
  .object({
    eventId: id.meta({ description: "The event's id." }),
    sequence: count.meta({ description: "Position in the tenant's chain, from 1, without gaps." }),
    tenantId: id.optional().meta({ description: "Absent in the platform's own chain." }),
    occurredAt: instant.meta({ description: 'When it happened.' }),
    recordedAt: instant.meta({ description: 'When it became durable.' }),
    actor: z
      .object({
        subject: z.string().meta({ description: 'As the identity provider names it, or `service:` and a name.' }),
        kind: z.string().meta({ description: 'user, client or service.' }),
        roles: z.array(z.string()).meta({ description: 'Roles that it acted with.' }),
      })
      .meta({ description: 'Who did it.' }),
    purposeOfUse: z.string().optional().meta({ description: 'HL7 purpose of use, where the principal stated one.' }),
    service: z.string().meta({ description: 'Service that recorded it.' }),
    action: z.string().meta({ description: 'What was done, for example `document.download`.' }),
    resourceType: z.string().meta({ description: 'Kind of the things that it was done to.' }),
    resourceIds: z.array(z.string()).meta({ description: 'Ids of the things that it was done to.' }),
    outcome: z.enum(auditOutcomes).meta({ description: 'How it ended.' }),
    reason: z.string().optional().meta({ description: 'Why it was denied or failed.' }),
    requestId: z.string().meta({ description: 'The request that it belongs to.' }),
    attributes: z
      .record(z.string(), z.string())
      .meta({ description: 'Counts, sizes and names of models. Never content.' }),
    previousHash: sha256.meta({ description: 'SHA-256 of the event before, in hexadecimal; zeros for the first.' }),
    hash: sha256.meta({ description: 'SHA-256 over this event and `previousHash`, in hexadecimal.' }),
  })
  .meta({ description: 'Who did what, when and why. Never content.', examples: [eventExample] });

/** A page of events. */
export const auditEventPageSchema = pageOf(auditEventSchema).meta({
  description: 'A page of audit events, newest first.',
  examples: [{ data: [eventExample], hasMore: false, nextToken: null }],
});

/** Filters of the list of events. */
export const auditEventQuery = z.strictObject({
  ...pageQuery(500),
  actorSubject: z.string().min(1).max(255).optional().meta({ description: "Only this principal's." }),
  action: z
    .string()
    .min(1)
    .max(129)
    .optional()
    .meta({ description: 'Only this action.', examples: ['document.download'] }),
  resourceId: z.string().min(1).max(64).optional().meta({ description: 'Only events about this id.' }),
  outcome: z.enum(auditOutcomes).optional().meta({ description: 'Only with this outcome.' }),
  occurredFrom: z.iso.datetime({ offset: true }).optional().meta({ description: 'Only from this instant on.' }),
  occurredBefore: z.iso.datetime({ offset: true }).optional().meta({ description: 'Only before this instant.' }),
  requestId: z.string().min(1).max(128).optional().meta({ description: 'Only of this request.' }),
});
