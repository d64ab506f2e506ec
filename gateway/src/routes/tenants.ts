import { needs } from '@wardstone/rpc';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type { RouteDeps } from '../deps.ts';
import { type Route, route } from '../route.ts';
import { maxPageTokenChars, page } from '../schemas/page.ts';
import { createTenantSchema, tenantPageSchema, tenantParams, tenantQuery, tenantSchema } from '../schemas/tenant.ts';
import { toTenant } from '../wire/tenant.ts';
import { maxJsonBytes } from './search.ts';

/** Making, reading and listing tenants. */
export function tenantRoutes({ services: { tenantKey }, limits }: Pick<RouteDeps, 'services' | 'limits'>): Route[] {
  const create = route({
    method: 'POST',
    path: '/v1/tenants',
    access: { rpc: TenantKeyService.method.createTenant },
    operationId: 'createTenant',
    summary: 'Create a tenant',
    description: 'With an encryption key of its own. Give a `tenantId` to make the request safe to repeat.',
    tag: 'Tenants',
    body: { json: createTenantSchema, name: 'CreateTenant', maxBytes: maxJsonBytes, timeoutMs: limits.bodyTimeoutMs },
    success: {
      status: 201,
      description: 'The tenant as made.',
      json: tenantSchema,
      name: 'Tenant',
      headers: { Location: 'Where the tenant is.' },
    },
    problems: ['TENANT_ALREADY_EXISTS', 'KEY_UNAVAILABLE', 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
    handle: async ({ body, reply, as }) => {
      const { tenantId = '', displayName, settings } = body;
      const { tenant } = await tenantKey.createTenant({ tenantId, displayName, ...toSettings(settings) }, as());
      const shown = toTenant(tenant);
      reply.header('Location', `/v1/tenants/${shown.tenantId}`);
      return shown;
    },
  });

  const list = route({
    method: 'GET',
    path: '/v1/tenants',
    access: { rpc: TenantKeyService.method.listTenants },
    operationId: 'listTenants',
    summary: 'List tenants',
    description: 'All tenants, newest first; for administrators of the platform.',
    tag: 'Tenants',
    query: tenantQuery,
    success: { status: 200, description: 'A page of tenants.', json: tenantPageSchema, name: 'TenantPage' },
    problems: ['PAGE_TOKEN_INVALID', 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
    handle: async ({ query: { pageSize = 0, pageToken = '' }, as }) => {
      needs(pageToken.length <= maxPageTokenChars, 'PAGE_TOKEN_INVALID');
      const { tenants, nextPageToken } = await tenantKey.listTenants({ pageSize, pageToken }, as());
      return page(tenants.map(toTenant), nextPageToken);
    },
  });

  const get = route({
    method: 'GET',
    path: '/v1/tenants/{tenantId}',
    access: { rpc: TenantKeyService.method.getTenant },
    operationId: 'getTenant',
    summary: 'Get a tenant',
    description: 'A principal of a tenant sees its own; one of the platform sees any.',
    tag: 'Tenants',
    params: tenantParams,
    notFound: 'TENANT_NOT_FOUND',
    success: { status: 200, description: 'The tenant.', json: tenantSchema, name: 'Tenant' },
    problems: ['TENANT_NOT_FOUND', 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
    handle: async ({ params, as }) => {
      const { tenant } = await tenantKey.getTenant({ tenantId: params.tenantId }, as());
      return toTenant(tenant);
    },
  });

  return [create, list, get];
}

function toSettings(
  settings: { chunkSizeChars?: number | undefined; chunkOverlapChars?: number | undefined } | undefined,
) {
  if (settings === undefined) return {};
  const { chunkSizeChars = 0, chunkOverlapChars } = settings;
  return { settings: { chunkSizeChars, ...(chunkOverlapChars === undefined ? {} : { chunkOverlapChars }) } };
}
