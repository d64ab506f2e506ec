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

  for (const [name, spoil] of bad) {
    it(`runs no job that the producer has signed with ${name}`, async () => {
      const runs = await bench().allWorkers();
      const job = newJob();
      const signatures = await bench().signatures('ingestion');
      const signed = await signatures.sign({ kind: 'job', stage: 'extract', run: randomUUID(), job: spoil(job) });
      await forgeJob(bench().open, 'extract', { signed }, { jobId: stageJobId('extract', job), attempts: 10 });
      await eventually(() => bench().logLines.some((line) => line.includes('refused')), { description: 'a refusal' });
      const queue = await bench().queue();
      const good = newJob();
      await queue.addDocumentFlow(good);
      await eventually(async () => (await queue.flowState(good)) === 'completed', { description: 'a good flow' });
      expect(runs.every((run) => run.job.documentId === good.documentId)).to.equal(true);
      const metrics = await bench().telemetry.metrics.metrics();
      expect(metrics).to.match(/wardstone_queue_jobs_total\{stage="extract",outcome="refused"[^}]*\} 1\b/);
      expect(metrics).to.match(/_refused_total\{stage="extract",subject="job",reason="MALFORMED"[^}]*\} 1\b/);
    });
  }
});
