import { z } from 'zod';
import { id, instant } from './fields.ts';
import { workProgressSchema } from './work-progress.ts';

const offboardingExample = {
  offboardingId: '01970000-0000-7000-8000-000000000005',
  tenantId: '01970000-0000-7000-8000-000000000003',
  state: 'SCHEDULED',
  requestedBy: 'user-1',
  requestedAt: '2026-11-22T09:00:00.000Z',
  approvedBy: 'user-2',
  approvedAt: '2026-11-22T10:00:00.000Z',
  deletionAt: '2026-12-22T10:00:00.000Z',
  progress: [],
};

/** An offboarding. */
export const offboardingSchema = z
  .object({
    offboardingId: id.meta({ description: "The offboarding's id; an approval or a cancellation names it." }),
    tenantId: id.meta({ description: 'Tenant that leaves.' }),
    state: z.enum(['REQUESTED', 'APPROVED', 'SCHEDULED', 'PURGING', 'COMPLETED', 'CANCELLING', 'CANCELLED']).meta({
      description: [
        '- REQUESTED: another administrator has to approve; the tenant works.',
        '- APPROVED: nothing of the tenant is given out; its key is being disabled.',
        '- SCHEDULED: the key is disabled and will be deleted on `deletionAt`; until then it can be cancelled.',
        '- PURGING: the day has come, rows and objects are being removed; there is no way back.',
        '- COMPLETED: all is removed; the certificate is in the audit log.',
        '- CANCELLING: being taken back; nothing of the tenant is given out until its key is enabled again.',
        '- CANCELLED: taken back.',
      ].join('\n'),
    }),
    requestedBy: z.string().meta({ description: 'Subject of the administrator who requested it.' }),
    requestedAt: instant.meta({ description: 'When it was requested.' }),
    approvedBy: z
      .string()
      .optional()
      .meta({ description: 'Subject of the administrator who approved it; absent until then.' }),
    approvedAt: instant.optional().meta({ description: 'When it was approved; absent until then.' }),
    deletionAt: instant.optional().meta({ description: 'When the key is deleted; absent until that is scheduled.' }),
    endedAt: instant.optional().meta({ description: 'When it ended, complete or cancelled; absent until then.' }),
    progress: z
      .array(workProgressSchema)
      .meta({ description: 'How far each service is that removes rows or objects; empty before they are removed.' }),
    certificate: z.string().optional().meta({
      description:
        'Compact JWS (RFC 7515), EdDSA, over what was removed, when, and under which keys; present when state is COMPLETED.',
    }),
  })
  .meta({ description: "A tenant's offboarding.", examples: [offboardingExample] });

/** Which offboarding is meant, so that nobody decides about another than they have seen. */
export const offboardingDecisionSchema = z
  .strictObject({ offboardingId: id.meta({ description: 'The offboarding that is meant, as it was shown.' }) })
  .meta({
    description: 'Which offboarding is meant: nobody decides about another than they have seen.',
    examples: [{ offboardingId: offboardingExample.offboardingId }],
  });
