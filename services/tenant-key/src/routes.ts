import type { ConnectRouter } from '@connectrpc/connect';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { createTenant } from './rpc/create-tenant.ts';
import type { Deps } from './rpc/deps.ts';
import { getDataKeys } from './rpc/get-data-keys.ts';
import { getTenant } from './rpc/get-tenant.ts';
import { listTenants } from './rpc/list-tenants.ts';

/** The service's methods, one file each. */
export function routes(deps: Deps): (router: ConnectRouter) => void {
  return (router) => {
    router.service(TenantKeyService, {
      createTenant: createTenant(deps),
      getTenant: getTenant(deps),
      listTenants: listTenants(deps),
      getDataKeys: getDataKeys(deps),
    });
  };
}
