import type { FastifyReply } from 'fastify';
import type { Tenant } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import type { RouteDeps } from '../deps.ts';
import { entityTag } from '../http/entity-tag.ts';
import { type Route, type Success, route } from '../route.ts';
import { tenantParams, tenantSchema } from '../schemas/tenant.ts';
import { toTenant } from '../wire/tenant.ts';

const common = {
  path: '/v1/tenants/{tenantId}/suspension',
  tag: 'Tenants',
  params: tenantParams,
  notFound: 'TENANT_NOT_FOUND',
  problems: ['TENANT_NOT_FOUND', 'TENANT_STATE_CONFLICT', 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
} as const;

/** Suspending a tenant, and ending that: the suspension is there or it is not. */
export function suspensionRoutes({ services: { tenantLifecycle } }: Pick<RouteDeps, 'services'>): Route[] {
  const suspend = route({
    ...common,
    method: 'POST',
    access: { rpc: TenantLifecycleService.method.suspendTenant },
    operationId: 'suspendTenant',
    summary: 'Suspend a tenant',
    description: [
      "Every use of the tenant's data is refused until it is resumed. Nothing is removed, and no key is touched.",
      'Safe to repeat; for administrators of the platform.',
    ].join(' '),
    success: tenantAs('The tenant, suspended.'),
    handle: async ({ params: { tenantId }, reply, as }) =>
      show(reply, (await tenantLifecycle.suspendTenant({ tenantId }, as())).tenant),
  });

  const resume = route({
    ...common,
    method: 'DELETE',
    access: { rpc: TenantLifecycleService.method.resumeTenant },
    operationId: 'resumeTenant',
    summary: 'Resume a tenant',
    description: 'Ends its suspension. Safe to repeat; for administrators of the platform.',
    success: tenantAs('The tenant, active.'),
    handle: async ({ params: { tenantId }, reply, as }) =>
      show(reply, (await tenantLifecycle.resumeTenant({ tenantId }, as())).tenant),
  });

  return [suspend, resume];
}

function tenantAs(description: string): Success {
  return { status: 200, description, json: tenantSchema, name: 'Tenant', headers: { ETag: "The tenant's etag." } };
}

function show(reply: FastifyReply, tenant: Tenant | undefined) {
  const shown = toTenant(tenant);
  reply.header('ETag', entityTag(shown.etag));
  return shown;
}
