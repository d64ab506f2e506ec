import { systemPrincipal, type AuditCall, type Auditor, type NewAuditEvent } from '@wardstone/access';

/**
 * Records what was done to a tenant in the tenant's own chain, whoever did it. An administrator of the platform has a chain
 * of the platform's, which is told first: who reads the tenant's chain sees that the platform acted, and with which request.
 */
export async function recordForTenant(
  auditor: Auditor,
  call: AuditCall,
  tenantId: string,
  event: Omit<NewAuditEvent, 'outcome'>,
): Promise<void> {
  const done: NewAuditEvent = { ...event, outcome: 'success' };
  await auditor.record(call, done);
  if (call.principal.tenantId === tenantId) return;
  await auditor.record({ ...call, principal: systemPrincipal('tenant-key', tenantId) }, done);
}
