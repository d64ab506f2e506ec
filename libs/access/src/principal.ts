import type { Principal } from '@wardstone/rpc';
import { z } from 'zod';
import { roles, serviceRole } from './policy.ts';

/** HL7 v3 PurposeOfUse codes that a token may state; anything else is refused, because audit reports group by them. */
export const purposesOfUse = [
  'TREAT',
  'ETREAT',
  'BTG',
  'CAREMGT',
  'HPAYMT',
  'HOPERAT',
  'HRESCH',
  'PATRQT',
  'PUBHLTH',
  'HLEGAL',
  'HSYSADMIN',
] as const;

/** Most roles that one principal may have. */
export const maxRoles = 16;

/** Shape of the `principal` claim in a service's token. Strict: what is not known is not carried on. */
export const principalSchema = z
  .strictObject({
    subject: z.string().min(1).max(255),
    kind: z.enum(['user', 'client', 'service']),
    tenantId: z.uuid().toLowerCase().optional(),
    roles: z.array(z.string()).max(maxRoles),
    purposeOfUse: z.enum(purposesOfUse).optional(),
  })
  .refine((claim) => claim.roles.every((role) => roles.includes(role)), 'unknown role')
  .refine((claim) => claim.kind === 'service' || !claim.roles.includes(serviceRole), 'role service on a non-service');

/** A principal from a checked claim, frozen. */
export function toPrincipal(claim: z.infer<typeof principalSchema>): Principal {
  const { subject, kind, tenantId, purposeOfUse } = claim;
  return Object.freeze({
    subject,
    kind,
    tenantId,
    roles: Object.freeze([...claim.roles]),
    ...(purposeOfUse === undefined ? {} : { purposeOfUse }),
  });
}

/** Who acts when a service works by itself for a tenant, for example in a job. */
export function systemPrincipal(service: string, tenantId: string): Principal {
  return toPrincipal({ subject: `service:${service}`, kind: 'service', tenantId, roles: [serviceRole] });
}

/** Who acts when a service works by itself for no tenant. It may do almost nothing: see the policy. */
export function platformPrincipal(service: string): Principal {
  return toPrincipal({ subject: `service:${service}`, kind: 'service', roles: [serviceRole] });
}
