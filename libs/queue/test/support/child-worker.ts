/** Program of the kill tests: a worker for one stage that tells when a job begins, and whether it lets it end. */
import { createTelemetry } from '@wardstone/telemetry';
import { createStageWorker, stageOwners, type QueueBackend, type Stage } from '../../src/index.ts';
import { signaturesOf } from './signatures.ts';

export interface Instructions {
  readonly backend: QueueBackend;
  readonly stage: Stage;
  readonly mode: 'hang' | 'work';
  readonly jwksFile: string;
  readonly keyFile: string;
}

process.once('message', (message) => {
  void start(message as Instructions);
});

async function start({ backend, stage, mode, jwksFile, keyFile }: Instructions): Promise<void> {
  const telemetry = createTelemetry({ service: 'ingestion', version: '0', logLevel: 'silent' });
  const worker = await createStageWorker({
    backend,
    telemetry,
    stage,
    signatures: await signaturesOf({ jwksFile, keyFile: () => keyFile }, stageOwners[stage]),
    concurrency: 2,
    handle: async (job) => {
      process.send?.({ began: job.documentId });
      if (mode === 'hang') await new Promise<never>(() => undefined);
    },
  });
  process.once('disconnect', () => void worker.close());
}
