import { callContext, needs, tenantOf } from '@wardstone/rpc';
import { keepReport } from '../db/work.ts';
import { toWorkKind } from '../lifecycle-wire.ts';
import type { Deps, WorkHandlers } from './deps.ts';

/** Keeps what the calling service did for the principal's tenant. Thrown: WORK_NOT_FOUND. */
export function reportTenantWork({ database }: Pick<Deps, 'database'>): WorkHandlers['reportTenantWork'] {
  return async (request, ctx) => {
    const call = callContext(ctx);
    const tenantId = tenantOf(call);
    const report = {
      workId: request.workId.toLowerCase(),
      holder: call.peer,
      kind: toWorkKind(request.kind),
      documentsDone: Number(request.documentsDone),
      documentsLeft: Number(request.documentsLeft),
      removed: Object.fromEntries(Object.entries(request.removed).map(([kind, count]) => [kind, Number(count)])),
    };
    needs(await database.inTenant(tenantId, (tx) => keepReport(tx, tenantId, report)), 'WORK_NOT_FOUND');
    return {};
  };
}
