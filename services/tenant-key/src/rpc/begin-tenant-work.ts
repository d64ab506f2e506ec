import { callContext, needs, tenantOf } from '@wardstone/rpc';
import { markBegun } from '../db/work.ts';
import { toWorkKind } from '../lifecycle-wire.ts';
import type { Deps, WorkHandlers } from './deps.ts';

/** Puts a piece of the calling service's work at the end of the line, before it is begun. Thrown: WORK_NOT_FOUND. */
export function beginTenantWork({ database, now }: Pick<Deps, 'database' | 'now'>): WorkHandlers['beginTenantWork'] {
  return async (request, ctx) => {
    const call = callContext(ctx);
    const tenantId = tenantOf(call);
    const piece = { workId: request.workId.toLowerCase(), holder: call.peer, kind: toWorkKind(request.kind) };
    const found = await database.inTenant(tenantId, (tx) => markBegun(tx, tenantId, piece, now()));
    needs(found, 'WORK_NOT_FOUND');
    return {};
  };
}
