import { z } from 'zod';
import { id } from './fields.ts';

/** Who the caller is, as the gateway understood its token. */
export const meSchema = z
  .object({
    subject: z.string(),
    kind: z.enum(['user', 'client', 'service']),
    tenantId: id.nullable().meta({ description: 'Null for a principal of the platform.' }),
    roles: z.array(z.string()),
    purposeOfUse: z.string().optional(),
    permissions: z
      .array(z.object({ resource: z.string(), action: z.string() }))
      .meta({ description: 'What the roles allow on this API.' }),
  })
  .meta({
    description: 'Who the caller is, and what it may do.',
    examples: [
      {
        subject: 'user-1',
        kind: 'user',
        tenantId: '01970000-0000-7000-8000-000000000003',
        roles: ['clinician'],
        permissions: [{ resource: 'document', action: 'read' }],
      },
    ],
  });
