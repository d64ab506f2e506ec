import { callContext } from '@wardstone/rpc';
import { openWork } from '../db/work.ts';
import { toWireWork } from '../lifecycle-wire.ts';
import type { Deps, WorkHandlers } from './deps.ts';

const defaultPageSize = 50;

/** What the calling service may do now. A holder is the service that opened the connection, whatever it says. */
export function listTenantWork({ database, now }: Pick<Deps, 'database' | 'now'>): WorkHandlers['listTenantWork'] {
  return async (request, ctx) => {
    const { peer } = callContext(ctx);
    const limit = request.pageSize === 0 ? defaultPageSize : request.pageSize;
    const work = await database.inPlatform((tx) => openWork(tx, { holder: peer, now: now(), limit }));
    return { work: work.map(toWireWork) };
  };
}
