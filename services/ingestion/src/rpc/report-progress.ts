import type { HandlerContext } from '@connectrpc/connect';
import { callContext, needs, tenantOf } from '@wardstone/rpc';
import type { ReportProgressRequest } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { advance } from '../db/documents.ts';
import type { Deps } from '../ports.ts';
import { fromWireState } from './wire.ts';

/** How far a stage of another service is. What is out of date changes nothing, and is no error: stages run twice. */
export function reportProgress(deps: Pick<Deps, 'database'>) {
  return async (request: ReportProgressRequest, context: HandlerContext) => {
    const { documentId, version, stagePercent } = request;
    const state = fromWireState(request.state);
    needs(state === 'EMBEDDING' || state === 'INDEXING', 'INVALID_ARGUMENT');
    await deps.database.inTenant(tenantOf(callContext(context)), (tx) =>
      advance(tx, { documentId, version }, state, stagePercent),
    );
    return {};
  };
}
