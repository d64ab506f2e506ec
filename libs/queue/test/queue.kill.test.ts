import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { stages } from '../src/index.ts';
import { killInTheMiddle, startChild, type ChildWorker } from './support/child.ts';
import { newJob, onEveryBackend } from './support/suite.ts';

onEveryBackend('kill -9', (bench) => {
  for (const stage of ['extract', 'publish'] as const) {
    it(`another worker takes over the ${stage} of one that was killed, and the flow completes once`, async () => {
      const queue = await bench().queue();
      const job = newJob();
      const runs: string[] = [];
      const others = stages.filter((other) => other !== stage);
      for (const other of others) await bench().worker(other, async () => void runs.push(other));
      await queue.addDocumentFlow(job);
      await killInTheMiddle(bench(), stage, job.documentId);
      expect(await queue.flowState(job)).to.equal('active');
      await bench().worker(stage, async () => void runs.push(stage));
      await eventually(async () => (await queue.flowState(job)) === 'completed', {
        description: 'the flow to complete',
        timeoutMs: 30_000,
      });
      expect(runs.toSorted()).to.deep.equal([...stages].toSorted());
      expect(await bench().telemetry.metrics.metrics()).to.match(
        new RegExp(`wardstone_queue_jobs_stalled_total\\{stage="${stage}"[^}]*\\} 1\\b`),
      );
    }).timeout(60_000);
  }

  it('a job outlives many killed workers', async () => {
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    for (let kill = 0; kill < 2; kill += 1) {
      const child = startChild(bench(), 'extract', 'hang');
      try {
        await eventually(() => child.began.includes(job.documentId), {
          description: `take-over ${kill}`,
          timeoutMs: 40_000,
        });
      } finally {
        await child.kill();
      }
    }
    const runs = await bench().allWorkers();
    await eventually(async () => (await queue.flowState(job)) === 'completed', {
      description: 'the flow to complete',
      timeoutMs: 40_000,
    });
    expect(runs.map(({ stage }) => stage)).to.deep.equal([...stages]);
    expect(runs.at(-1)?.context).not.to.have.property('failure');
  }).timeout(180_000);

  it('fifty documents arrive, each once, while the worker of each stage is killed in turn', async () => {
    const children = new Map<string, ChildWorker>();
    const published: string[] = [];
    for (const stage of ['extract', 'embed', 'index'] as const) children.set(stage, startChild(bench(), stage, 'work'));
    await bench().worker('publish', async (job) => void published.push(job.documentId));
    try {
      const queue = await bench().queue();
      const jobs = Array.from({ length: 50 }, () => newJob());
      await Promise.all(jobs.map(async (job) => queue.addDocumentFlow(job)));
      for (const [index, stage] of (['extract', 'embed', 'index'] as const).entries()) {
        await eventually(() => published.length >= Math.min(index * 5, 10), {
          description: 'some to be published',
          timeoutMs: 40_000,
        });
        await children.get(stage)?.kill();
        children.set(stage, startChild(bench(), stage, 'work'));
      }
      await eventually(() => published.length >= jobs.length, { description: 'all of them', timeoutMs: 60_000 });
      expect(published.toSorted()).to.deep.equal(jobs.map(({ documentId }) => documentId).toSorted());
    } finally {
      for (const child of children.values()) await child.kill();
    }
  }).timeout(180_000);
});
