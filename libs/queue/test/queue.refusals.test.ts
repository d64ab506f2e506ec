import { randomUUID } from 'node:crypto';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { stageJobId, type StageJob } from '../src/index.ts';
import { dumpStore, forgeJob } from './support/raw-store.ts';
import { rejection } from './support/rejection.ts';
import { newJob, onEveryBackend } from './support/suite.ts';

const bad: [string, (job: StageJob) => unknown][] = [
  ['a field more', (job) => ({ ...job, title: 'Mr Smith' })],
  ['a tenant that is no id', (job) => ({ ...job, tenantId: 'acme' })],
  ['a version that is none', (job) => ({ ...job, version: 0 })],
  ['a subject with a line end', (job) => ({ ...job, requestedBy: 'user\nadmin' })],
  ['no document', ({ tenantId, version, requestId, requestedBy }) => ({ tenantId, version, requestId, requestedBy })],
];

onEveryBackend('refusals', (bench) => {
  it('adds no job that is not one', async () => {
    const queue = await bench().queue();
    for (const [, spoil] of bad) {
      const job = newJob();
      expect(await rejection(queue.addDocumentFlow(spoil(job) as StageJob))).to.have.property('name', 'ZodError');
      expect(await dumpStore(bench().open)).not.to.include(job.documentId);
    }
  });

  for (const [name, spoil] of [...bad, ['the id of another job', (job: StageJob) => job] as const]) {
    it(`fails a job that has got into the queue with ${name}, at once and without running it`, async () => {
      const runs = await bench().allWorkers();
      const job = newJob();
      const id = name === 'the id of another job' ? randomUUID() : stageJobId('extract', job);
      await forgeJob(bench().open, 'extract', spoil(job), { jobId: id, attempts: 10 });
      await eventually(() => bench().logLines.some((line) => line.includes('refused')), { description: 'a refusal' });
      const queue = await bench().queue();
      const good = newJob();
      await queue.addDocumentFlow(good);
      await eventually(async () => (await queue.flowState(good)) === 'completed', { description: 'a good flow' });
      expect(runs.every((run) => run.job.documentId === good.documentId)).to.equal(true);
      expect(await bench().telemetry.metrics.metrics()).to.match(
        /wardstone_queue_jobs_total\{stage="extract",outcome="failed"[^}]*\} 1\b/,
      );
    });
  }
});
