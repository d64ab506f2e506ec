import { callContext, decodePageToken, encodePageToken } from '@wardstone/rpc';
import { z } from 'zod';
import type { TenantPosition } from '../ports.ts';
import { toWireTenant } from '../wire.ts';
import type { Deps, Handlers } from './deps.ts';

const defaultPageSize = 50;
const position = z.strictObject({ createdAtMs: z.int().min(0), tenantId: z.uuid() });

/** All tenants, newest first; the policy lets only principals of the platform in. */
export function listTenants(deps: Pick<Deps, 'tenants' | 'auditor'>): Handlers['listTenants'] {
  const { tenants, auditor } = deps;
  return async (request, ctx) => {
    const call = callContext(ctx);
    const pageSize = request.pageSize === 0 ? defaultPageSize : request.pageSize;
    const after: TenantPosition | undefined =
      request.pageToken === '' ? undefined : decodePageToken(request.pageToken, position);

    const found = await tenants.list(pageSize + 1, after);
    const page = found.slice(0, pageSize);
    await auditor.record(call, {
      action: 'tenant.list',
      resourceType: 'tenant',
      resourceIds: page.map(({ tenantId }) => tenantId),
      outcome: 'success',
    });
    const last = found.length > pageSize ? page.at(-1) : undefined;
    const nextPageToken =
      last === undefined ? '' : encodePageToken({ createdAtMs: last.createdAt.getTime(), tenantId: last.tenantId });
    return { tenants: page.map(toWireTenant), nextPageToken };
  };
}
