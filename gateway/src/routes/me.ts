import type { Policy } from '@wardstone/access';
import { permissionsHeld } from '../auth/admission.ts';
import { type Route, type RouteAccess, route } from '../route.ts';
import { meSchema } from '../schemas/me.ts';

/** Who the caller is. Tells nothing but what its own token says and what follows from it. */
export function meRoute(policy: Policy, accesses: readonly RouteAccess[]): Route {
  return route({
    method: 'GET',
    path: '/v1/me',
    access: 'own-token',
    operationId: 'getMe',
    summary: 'Who am I',
    description: 'The caller as the API understood its token, and what its roles allow here.',
    tag: 'Me',
    success: { status: 200, description: 'The caller.', json: meSchema, name: 'Me' },
    handle: ({ principal }) => {
      const { subject, kind, tenantId = null, roles, purposeOfUse } = principal;
      const permissions = permissionsHeld(policy, principal, accesses).map(({ resource, action }) => ({
        resource,
        action,
      }));
      return Promise.resolve({
        subject,
        kind,
        tenantId,
        roles: [...roles],
        ...(purposeOfUse === undefined ? {} : { purposeOfUse }),
        permissions,
      });
    },
  });
}
