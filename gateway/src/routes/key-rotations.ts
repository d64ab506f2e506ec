import type { Reason } from '@wardstone/rpc';
import { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import type { RouteDeps } from '../deps.ts';
import { idempotencyKeyHeader, idempotencyKeyOf } from '../http/idempotency-key.ts';
import { type Route, route } from '../route.ts';
import { keyRotationParams, keyRotationSchema } from '../schemas/key-rotation.ts';
import { tenantParams } from '../schemas/tenant.ts';
import { toKeyRotation } from '../wire/key-rotation.ts';
import { derivedIdOf } from './derived-id.ts';
import { closedTenant, keyFaults } from './refusals.ts';

const readProblems = [
  'TENANT_NOT_FOUND',
  'KEY_ROTATION_NOT_FOUND',
  'DATABASE_UNAVAILABLE',
] as const satisfies readonly Reason[];

/** Beginning rotations of a tenant's data key, and seeing how far they are. */
export function keyRotationRoutes({ services: { tenantLifecycle } }: Pick<RouteDeps, 'services'>): Route[] {
  const start = route({
    method: 'POST',
    path: '/v1/tenants/{tenantId}/key-rotations',
    access: { rpc: TenantLifecycleService.method.startKeyRotation },
    operationId: 'startKeyRotation',
    summary: "Rotate a tenant's key",
    description: [
      'Makes a new version of the data key, which new writes use from now on. What is older is sealed again behind, while',
      'searches and uploads go on, and older versions are retired when nothing uses them. One rotation at a time, and a pause',
      'between two, which `Retry-After` tells.',
      'A principal of a tenant rotates its own key; one of the platform any.',
    ].join(' '),
    tag: 'Tenants',
    params: tenantParams,
    notFound: 'TENANT_NOT_FOUND',
    headers: {
      'Idempotency-Key': idempotencyKeyHeader(
        'Makes a repeated request answer with the rotation that the first one began; yours alone, per tenant, and never forgotten.',
      ),
    },
    success: {
      status: 202,
      description: 'The rotation has begun; its progress says how far it is.',
      json: keyRotationSchema,
      name: 'KeyRotation',
      headers: { Location: 'Where the rotation is.' },
    },
    problems: [
      'TENANT_NOT_FOUND',
      'KEY_ROTATION_IN_PROGRESS',
      'KEY_ROTATION_TOO_SOON',
      ...closedTenant,
      ...keyFaults,
      'DATABASE_UNAVAILABLE',
      'AUDIT_UNAVAILABLE',
    ],
    handle: async ({ params, principal, request, reply, as }) => {
      const tenantId = params.tenantId.toLowerCase();
      const key = idempotencyKeyOf(request);
      const rotationId = key === '' ? '' : derivedIdOf('key-rotation', principal, key, tenantId);
      const { rotation } = await tenantLifecycle.startKeyRotation({ tenantId, rotationId }, as());
      const shown = toKeyRotation(rotation);
      reply.header('Location', `/v1/tenants/${shown.tenantId}/key-rotations/${shown.rotationId}`);
      return shown;
    },
  });

  const latest = route({
    method: 'GET',
    path: '/v1/tenants/{tenantId}/key-rotations/latest',
    access: { rpc: TenantLifecycleService.method.getKeyRotation },
    operationId: 'getLatestKeyRotation',
    summary: 'Get the latest key rotation',
    description: 'The rotation that was begun last, whoever or whatever began it, with how far each service is.',
    tag: 'Tenants',
    params: tenantParams,
    notFound: 'TENANT_NOT_FOUND',
    success: { status: 200, description: 'The rotation.', json: keyRotationSchema, name: 'KeyRotation' },
    problems: readProblems,
    handle: async ({ params: { tenantId }, as }) =>
      toKeyRotation((await tenantLifecycle.getKeyRotation({ tenantId }, as())).rotation),
  });

  const get = route({
    method: 'GET',
    path: '/v1/tenants/{tenantId}/key-rotations/{rotationId}',
    access: { rpc: TenantLifecycleService.method.getKeyRotation },
    operationId: 'getKeyRotation',
    summary: 'Get a key rotation',
    description: 'With how far each service is.',
    tag: 'Tenants',
    params: keyRotationParams,
    notFound: 'KEY_ROTATION_NOT_FOUND',
    success: { status: 200, description: 'The rotation.', json: keyRotationSchema, name: 'KeyRotation' },
    problems: readProblems,
    handle: async ({ params: { tenantId, rotationId }, as }) =>
      toKeyRotation((await tenantLifecycle.getKeyRotation({ tenantId, rotationId }, as())).rotation),
  });

  return [start, latest, get];
}
