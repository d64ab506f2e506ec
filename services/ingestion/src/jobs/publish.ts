/** Stage `publish`: the end of the pipeline, whatever its outcome. */
import { systemPrincipal } from '@wardstone/access';
import type { StageContext, StageJob } from '@wardstone/queue';
import { find, settle } from '../db/documents.ts';
import { pendingStates } from '../domain/document.ts';
import type { Deps } from '../ports.ts';

type PublishDeps = Pick<Deps, 'database' | 'auditor' | 'objects' | 'metrics'>;

/**
 * READY, or FAILED with the reason of the stage that failed. A document that has ended stays as it is, and one that was
 * deleted is not brought back. The artefacts go first: a crash in between repeats this job, which removes nothing twice.
 */
export function publishJob(deps: PublishDeps) {
  return async (job: StageJob, context: Pick<StageContext, 'signal' | 'failure'>): Promise<void> => {
    const { tenantId, documentId, version } = job;
    const { failure } = context;
    const document = await deps.database.inTenant(tenantId, (tx) => find(tx, documentId, pendingStates));
    if (document?.version === version) {
      await deps.auditor.record(
        { principal: systemPrincipal('ingestion', tenantId), requestId: job.requestId, signal: context.signal },
        {
          action: 'document.process',
          resourceType: 'document',
          resourceIds: [documentId],
          ...(failure === undefined
            ? { outcome: 'success' as const, attributes: { stage: 'publish' } }
            : { outcome: 'failure' as const, reason: failure.reason, attributes: { stage: failure.stage } }),
        },
      );
    }
    await deps.objects.removeArtefacts({ tenantId, documentId, version });
    const end =
      failure === undefined ? ({ state: 'READY' } as const) : ({ state: 'FAILED', reason: failure.reason } as const);
    const settled = await deps.database.inTenant(tenantId, (tx) => settle(tx, job, end));
    if (settled) deps.metrics.settled(end.state, failure?.reason ?? '');
  };
}
