import { AppError, needs } from '@wardstone/rpc';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import type { z } from 'zod';
import type { RouteDeps } from '../deps.ts';
import { entityTag } from '../http/entity-tag.ts';
import { idempotencyKeyHeader, idempotencyKeyOf } from '../http/idempotency-key.ts';
import { asUpstreamError } from '../problem.ts';
import { type Route, route } from '../route.ts';
import { maxPageTokenChars, page } from '../schemas/page.ts';
import { createTenantSchema, tenantPageSchema, tenantParams, tenantQuery, tenantSchema } from '../schemas/tenant.ts';
import { toTenant } from '../wire/tenant.ts';
import { maxJsonBytes } from './search.ts';
import { derivedIdOf } from './derived-id.ts';
import { keyFaults } from './refusals.ts';

/** Making, reading and listing tenants. */
export function tenantRoutes({ services: { tenantKey }, limits }: Pick<RouteDeps, 'services' | 'limits'>): Route[] {
  const create = route({
    method: 'POST',
    path: '/v1/tenants',
    access: { rpc: TenantKeyService.method.createTenant },
    operationId: 'createTenant',
    summary: 'Create a tenant',
    description: [
      'With an encryption key of its own. An `Idempotency-Key` or a `tenantId` makes the request safe to repeat, for ever; with',
      'both the `tenantId` decides.',
    ].join(' '),
    tag: 'Tenants',
    headers: {
      'Idempotency-Key': idempotencyKeyHeader(
        'Makes a repeated request answer with the tenant that the first one made; yours alone, and never forgotten.',
      ),
    },
    body: { json: createTenantSchema, name: 'CreateTenant', maxBytes: maxJsonBytes, timeoutMs: limits.bodyTimeoutMs },
    success: {
      status: 201,
      description: 'The tenant as made.',
      json: tenantSchema,
      name: 'Tenant',
      headers: { Location: 'Where the tenant is.', ETag: "The tenant's etag." },
    },
    problems: [
      'TENANT_ALREADY_EXISTS',
      'IDEMPOTENCY_KEY_REUSED',
      ...keyFaults,
      'DATABASE_UNAVAILABLE',
      'AUDIT_UNAVAILABLE',
    ],
    handle: async ({ body, principal, request, reply, as }) => {
      const { displayName, settings } = body;
      const key = idempotencyKeyOf(request);
      const derivedId = key === '' || body.tenantId !== undefined ? undefined : derivedIdOf('tenant', principal, key);
      const tenantId = body.tenantId ?? derivedId ?? '';
      const making = tenantKey.createTenant({ tenantId, displayName, ...toSettings(settings) }, as());
      const { tenant } = await (derivedId === undefined ? making : making.catch(sayReused));
      const shown = toTenant(tenant);
      reply.header('Location', `/v1/tenants/${shown.tenantId}`).header('ETag', entityTag(shown.etag));
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
    success: {
      status: 200,
      description: 'The tenant.',
      json: tenantSchema,
      name: 'Tenant',
      headers: { ETag: "The tenant's etag." },
    },
    problems: ['TENANT_NOT_FOUND', 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
    handle: async ({ params, reply, as }) => {
      const { tenant } = await tenantKey.getTenant({ tenantId: params.tenantId }, as());
      const shown = toTenant(tenant);
      reply.header('ETag', entityTag(shown.etag));
      return shown;
    },
  });

  return [create, list, get];
}

/** The caller named no id: that its key made another tenant before is what it can be told. */
function sayReused(error: unknown): never {
  const refusal = asUpstreamError(error);
  throw refusal.reason === 'TENANT_ALREADY_EXISTS'
    ? new AppError('IDEMPOTENCY_KEY_REUSED', { cause: refusal })
    : refusal;
}

function toSettings(settings: z.output<typeof createTenantSchema>['settings']) {
  if (settings === undefined) return {};
  const { chunkSizeChars = 0, chunkOverlapChars, deletionWindowDays = 0 } = settings;
  const overlap = chunkOverlapChars === undefined ? {} : { chunkOverlapChars };
  return { settings: { chunkSizeChars, deletionWindowDays, ...overlap } };
}
