import { type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import type { Permission } from '@wardstone/access';
import { Scope, access } from '@wardstone/rpc';
import type { RouteAccess } from '../route.ts';

/**
 * The permission that an RPC declares in its proto.
 * Thrown: Error when it declares none, or does not accept the gateway as a caller: such a route must not exist.
 */
export function permissionOf(method: DescMethod): Permission {
  const name = `${method.parent.typeName}.${method.name}`;
  if (!hasOption(method, access)) throw new Error(`${name} declares no permission, so that no route may call it`);
  const { resource, action, scope, callers } = getOption(method, access);
  if (resource === '' || action === '') throw new Error(`${name} declares an empty permission`);
  if (!callers.includes('gateway')) throw new Error(`${name} does not accept the gateway as a caller`);
  return { resource, action, scope: scope === Scope.PLATFORM ? 'platform' : 'tenant' };
}

/** The permission that a route needs; undefined for what only repeats the caller's own token. */
export function requiredPermission(routeAccess: RouteAccess): Permission | undefined {
  return routeAccess === 'own-token' ? undefined : permissionOf(routeAccess.rpc);
}
