import { z } from 'zod';
import { id } from './fields.ts';

/** Who the caller is, as the gateway understood its token. */
export const meSchema = z
  .object({
    subject: z.string().meta({ description: 'Who calls, as the identity provider names it.' }),
    kind: z.enum(['user', 'client', 'service']).meta({ description: 'A person, a program of its own, or a service.' }),
    tenantId: id.nullable().meta({ description: 'Its tenant; null for a principal of the platform.' }),
    roles: z.array(z.string()).meta({ description: 'Roles that the token names.' }),
    purposeOfUse: z.string().optional().meta({ description: 'HL7 purpose of use, where the token states one.' }),
    permissions: z
      .array(
        z.object({
          resource: z.string().meta({ description: 'Kind of thing.' }),
          action: z.string().meta({ description: 'What may be done with it.' }),
        }),
      )
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
