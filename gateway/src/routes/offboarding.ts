import type { Reason } from '@wardstone/rpc';
import { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import type { RouteDeps } from '../deps.ts';
import { idempotencyKeyHeader, idempotencyKeyOf } from '../http/idempotency-key.ts';
import { type Route, route } from '../route.ts';
import { offboardingDecisionSchema, offboardingSchema } from '../schemas/offboarding.ts';
import { tenantParams } from '../schemas/tenant.ts';
import { toOffboarding } from '../wire/offboarding.ts';
import { derivedIdOf } from './derived-id.ts';
import { maxJsonBytes } from './search.ts';

type OffboardingDeps = Pick<RouteDeps, 'services' | 'limits'>;

const problems = ['TENANT_NOT_FOUND', 'DATABASE_UNAVAILABLE', 'AUDIT_UNAVAILABLE'] as const satisfies readonly Reason[];
const aboutOne = { tag: 'Tenants', params: tenantParams, notFound: 'TENANT_NOT_FOUND' } as const;

/** A tenant that leaves: requested by one administrator, approved by another, taken back by either until its key is gone. */
export function offboardingRoutes(deps: OffboardingDeps): Route[] {
  return [requestRoute(deps), approvalRoute(deps), cancellationRoute(deps), readRoute(deps)];
}

function requestRoute({ services: { tenantLifecycle } }: OffboardingDeps): Route {
  return route({
    method: 'POST',
    path: '/v1/tenants/{tenantId}/offboarding',
    access: { rpc: TenantLifecycleService.method.requestOffboarding },
    operationId: 'requestOffboarding',
    summary: 'Request the offboarding of a tenant',
    description: [
      'Nothing happens until another administrator approves. For people: the token of a program is refused.',
      'A principal of a tenant requests that of its own; one of the platform that of any.',
    ].join(' '),
    ...aboutOne,
    headers: {
      'Idempotency-Key': idempotencyKeyHeader(
        'Makes a repeated request answer with the offboarding that the first one made, cancelled or not; yours alone, per tenant, and never forgotten.',
      ),
    },
    success: {
      status: 202,
      description: 'The offboarding is requested; it waits for an approval.',
      json: offboardingSchema,
      name: 'Offboarding',
      headers: { Location: 'Where the offboarding is.' },
    },
    problems: [...problems, 'OFFBOARDING_ALREADY_EXISTS'],
    handle: async ({ params, principal, request, reply, as }) => {
      const tenantId = params.tenantId.toLowerCase();
      const key = idempotencyKeyOf(request);
      const offboardingId = key === '' ? '' : derivedIdOf('offboarding', principal, key, tenantId);
      const { offboarding } = await tenantLifecycle.requestOffboarding({ tenantId, offboardingId }, as());
      const shown = toOffboarding(offboarding);
      reply.header('Location', `/v1/tenants/${shown.tenantId}/offboarding`);
      return shown;
    },
  });
}

function approvalRoute({ services: { tenantLifecycle }, limits }: OffboardingDeps): Route {
  return route({
    method: 'POST',
    path: '/v1/tenants/{tenantId}/offboarding/approval',
    access: { rpc: TenantLifecycleService.method.approveOffboarding },
    operationId: 'approveOffboarding',
    summary: 'Approve an offboarding',
    description: [
      "By another administrator than the one who requested it. Every use of the tenant's data is refused at once, its key is",
      'disabled and scheduled for deletion; when that day has come, its rows and objects are removed. Safe to repeat.',
    ].join(' '),
    ...aboutOne,
    body: decisionBody(limits),
    success: { status: 200, description: 'The offboarding, approved.', json: offboardingSchema, name: 'Offboarding' },
    problems: [...problems, 'OFFBOARDING_NOT_FOUND', 'OFFBOARDING_NEEDS_ANOTHER', 'OFFBOARDING_STATE_CONFLICT'],
    handle: async ({ params: { tenantId }, body: { offboardingId }, as }) =>
      toOffboarding((await tenantLifecycle.approveOffboarding({ tenantId, offboardingId }, as())).offboarding),
  });
}

function cancellationRoute({ services: { tenantLifecycle }, limits }: OffboardingDeps): Route {
  return route({
    method: 'POST',
    path: '/v1/tenants/{tenantId}/offboarding/cancellation',
    access: { rpc: TenantLifecycleService.method.cancelOffboarding },
    operationId: 'cancelOffboarding',
    summary: 'Cancel an offboarding',
    description: [
      'Until the day on which the key is deleted: its key is enabled again, and the tenant is then what it was before. Where the',
      'key cannot be enabled at once the answer says CANCELLING, and that goes on by itself. Safe to repeat.',
    ].join(' '),
    ...aboutOne,
    body: decisionBody(limits),
    success: {
      status: 200,
      description: 'The offboarding, cancelled or being cancelled.',
      json: offboardingSchema,
      name: 'Offboarding',
    },
    problems: [...problems, 'OFFBOARDING_NOT_FOUND', 'OFFBOARDING_STATE_CONFLICT'],
    handle: async ({ params: { tenantId }, body: { offboardingId }, as }) =>
      toOffboarding((await tenantLifecycle.cancelOffboarding({ tenantId, offboardingId }, as())).offboarding),
  });
}

function readRoute({ services: { tenantLifecycle } }: OffboardingDeps): Route {
  return route({
    method: 'GET',
    path: '/v1/tenants/{tenantId}/offboarding',
    access: { rpc: TenantLifecycleService.method.getOffboarding },
    operationId: 'getOffboarding',
    summary: 'Get the offboarding of a tenant',
    description: "Where the tenant's latest offboarding stands; with its certificate when it is complete.",
    ...aboutOne,
    success: { status: 200, description: 'The offboarding.', json: offboardingSchema, name: 'Offboarding' },
    problems: ['TENANT_NOT_FOUND', 'OFFBOARDING_NOT_FOUND', 'DATABASE_UNAVAILABLE'],
    handle: async ({ params: { tenantId }, as }) =>
      toOffboarding((await tenantLifecycle.getOffboarding({ tenantId }, as())).offboarding),
  });
}

function decisionBody({ bodyTimeoutMs }: OffboardingDeps['limits']) {
  return {
    json: offboardingDecisionSchema,
    name: 'OffboardingDecision',
    maxBytes: maxJsonBytes,
    timeoutMs: bodyTimeoutMs,
  };
}
