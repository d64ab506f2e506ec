import type { ConnectRouter } from '@connectrpc/connect';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { TenantWorkService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';
import { approveOffboarding } from './rpc/approve-offboarding.ts';
import { beginTenantWork } from './rpc/begin-tenant-work.ts';
import { cancelOffboarding } from './rpc/cancel-offboarding.ts';
import { createTenant } from './rpc/create-tenant.ts';
import type { Deps } from './rpc/deps.ts';
import { getDataKeys } from './rpc/get-data-keys.ts';
import { getKeyRotation } from './rpc/get-key-rotation.ts';
import { getOffboarding } from './rpc/get-offboarding.ts';
import { getTenant } from './rpc/get-tenant.ts';
import { listTenantWork } from './rpc/list-tenant-work.ts';
import { listTenants } from './rpc/list-tenants.ts';
import { reportTenantWork } from './rpc/report-tenant-work.ts';
import { requestOffboarding } from './rpc/request-offboarding.ts';
import { startKeyRotation } from './rpc/start-key-rotation.ts';
import { resumeTenant, suspendTenant } from './rpc/suspend-tenant.ts';
import { watchTenants } from './rpc/watch-tenants.ts';

/** Beats of a stream on which nothing happens. */
const heartbeatMs = 10_000;

/** The methods, one file each. */
export function routes(deps: Deps): (router: ConnectRouter) => void {
  return (router) => {
    router.service(TenantKeyService, {
      createTenant: createTenant(deps),
      getTenant: getTenant(deps),
      listTenants: listTenants(deps),
      getDataKeys: getDataKeys(deps),
    });
    router.service(TenantLifecycleService, {
      suspendTenant: suspendTenant(deps),
      resumeTenant: resumeTenant(deps),
      startKeyRotation: startKeyRotation(deps),
      getKeyRotation: getKeyRotation(deps),
      requestOffboarding: requestOffboarding(deps),
      approveOffboarding: approveOffboarding(deps),
      cancelOffboarding: cancelOffboarding(deps),
      getOffboarding: getOffboarding(deps),
    });
    router.service(TenantWorkService, {
      watchTenants: watchTenants({ ...deps, heartbeatMs }),
      listTenantWork: listTenantWork(deps),
      beginTenantWork: beginTenantWork(deps),
      reportTenantWork: reportTenantWork(deps),
    });
  };
}
