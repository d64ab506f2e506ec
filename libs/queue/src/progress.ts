/** Progress of a document within its stage, through ingestion's RPC. */
import { AppError, asPrincipal, type Principal, type ServiceClient } from '@wardstone/rpc';
import type { DocumentState, IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import type { Logger } from '@wardstone/telemetry';
import type { StageJob } from './job.ts';

const timeoutMs = 2_000;

/** Tells ingestion how far a document is within its stage (0 to 100). Best effort: it does not wait, and never throws. */
export interface ProgressReporter {
  report(job: StageJob, stagePercent: number): void;
}

/** What a reporter is made of. */
export interface ProgressOptions {
  /** Absent where ingestion cannot be reached: nothing is reported then. */
  readonly client: Pick<ServiceClient<typeof IngestionService>, 'reportProgress'> | undefined;
  /** The state that documents are in during the stage. */
  readonly state: DocumentState;
  /** In whose name it is reported: the service's own, for the tenant. */
  readonly principalOf: (tenantId: string) => Principal;
  readonly log: Logger;
}

/** Reports to ingestion. A report that is lost is nothing: the next one, or the document's end, says more. */
export function createProgressReporter({ client, state, principalOf, log }: ProgressOptions): ProgressReporter {
  return {
    report({ tenantId, documentId, version, requestId }, stagePercent) {
      if (client === undefined) return;
      const request = { documentId, version, state, stagePercent: Math.round(stagePercent) };
      const options = asPrincipal(principalOf(tenantId), { requestId, timeoutMs });
      client.reportProgress(request, options).catch((error: unknown) => {
        log.debug({ documentId, reason: AppError.from(error).reason }, 'progress was not reported');
      });
    },
  };
}
