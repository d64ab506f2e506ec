/** Progress of documents, through ingestion's RPC. */
import { systemPrincipal } from '@wardstone/access';
import { AppError, asPrincipal, type ServiceClient } from '@wardstone/rpc';
import { DocumentState, type IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import type { Logger } from '@wardstone/telemetry';
import type { ProgressReporter } from '../ports.ts';

const timeoutMs = 2_000;

/** Reports to ingestion. A report that is lost is nothing: the next one, or the document's end, says more. */
export function createProgressReporter(
  client: Pick<ServiceClient<typeof IngestionService>, 'reportProgress'>,
  log: Logger,
): ProgressReporter {
  return {
    report(job, stagePercent) {
      const { tenantId, documentId, version, requestId } = job;
      const request = { documentId, version, state: DocumentState.INDEXING, stagePercent: Math.round(stagePercent) };
      const principal = systemPrincipal('retrieval', tenantId);
      client.reportProgress(request, asPrincipal(principal, { requestId, timeoutMs })).catch((error: unknown) => {
        log.debug({ documentId, reason: AppError.from(error).reason }, 'progress was not reported');
      });
    },
  };
}

/** For a deployment in which ingestion cannot be reached from here: nothing is reported. */
export const noProgress: ProgressReporter = { report: () => undefined };
