import { z } from 'zod';
import { count, id, instant } from './fields.ts';
import { pageOf, pageQuery } from './page.ts';

/** How what was tried ended. */
export const auditOutcomes = ['SUCCESS', 'DENIED', 'FAILURE'] as const;

const sha256 = z.string().meta({ description: 'SHA-256 in hexadecimal.' });

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
  previousHash: '00'.repeat(32),
  hash: '7f'.repeat(32),
};

/** An event as recorded. */
export const auditEventSchema = z
  .object({
    eventId: id,
    sequence: count.meta({ description: "Position in the tenant's chain, from 1, without gaps." }),
    tenantId: id.optional().meta({ description: "Absent in the platform's own chain." }),
    occurredAt: instant,
    recordedAt: instant.meta({ description: 'When it became durable.' }),
    actor: z.object({ subject: z.string(), kind: z.string(), roles: z.array(z.string()) }),
    purposeOfUse: z.string().optional().meta({ description: 'HL7 purpose of use, where the principal stated one.' }),
    service: z.string().meta({ description: 'Service that recorded it.' }),
    action: z.string(),
    resourceType: z.string(),
    resourceIds: z.array(z.string()),
    outcome: z.enum(auditOutcomes),
    reason: z.string().optional(),
    requestId: z.string(),
    attributes: z.record(z.string(), z.string()),
    previousHash: sha256,
    hash: sha256,
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
