import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { stages } from '../src/index.ts';
import { loseJob } from './support/raw-store.ts';
import { newJob, onEveryBackend } from './support/suite.ts';

onEveryBackend('flow of a document', (bench) => {
  it('runs each stage once, in order, with the job as it was added', async () => {
    const runs = await bench().allWorkers();
    const queue = await bench().queue();
    const job = newJob({ version: 3 });
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'the flow to complete' });
    expect(runs.map(({ stage }) => stage)).to.deep.equal([...stages]);
    for (const run of runs) {
      expect(run.job).to.deep.equal(job);
      expect(run.context).to.include({ attempt: 1, lastAttempt: false });
      expect(run.context).not.to.have.property('failure');
    }
  });

  it('starts a next stage only when the one before is done', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const runs = await bench().allWorkers(async (stage) => (stage === 'embed' ? held : undefined));
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(() => runs.some(({ stage }) => stage === 'embed'), { description: 'embed to start' });
    expect(await queue.flowState(job)).to.equal('active');
    expect(runs.map(({ stage }) => stage)).to.deep.equal(['extract', 'embed']);
    release();
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'the flow to complete' });
  });

  it('keeps the flows of many documents and versions apart', async () => {
    const runs = await bench().allWorkers();
    const queue = await bench().queue();
    const jobs = Array.from({ length: 20 }, () => newJob());
    jobs.push(...jobs.slice(0, 5).map((job) => ({ ...job, version: 2 })));
    await Promise.all(jobs.map(async (job) => queue.addDocumentFlow(job)));
    await eventually(() => runs.filter(({ stage }) => stage === 'publish').length === jobs.length, {
      description: 'every flow to be published',
    });
    const keys = runs.map(({ stage, job }) => `${stage} ${job.documentId} ${job.version}`);
    expect(new Set(keys).size).to.equal(keys.length);
    expect(keys.length).to.equal(jobs.length * stages.length);
  });

  for (const failing of ['extract', 'embed', 'index'] as const) {
    it(`goes straight to publish when ${failing} fails for good, and says why`, async () => {
      const runs = await bench().allWorkers((stage) => {
        if (stage === failing) throw new AppError('PDF_ENCRYPTED');
      });
      const queue = await bench().queue();
      const job = newJob();
      await queue.addDocumentFlow(job);
      await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'publish' });
      const expected = [...stages.slice(0, stages.indexOf(failing) + 1), 'publish'];
      expect(runs.map(({ stage }) => stage)).to.deep.equal(expected);
      expect(runs.at(-1)?.context.failure).to.deep.equal({ stage: failing, reason: 'PDF_ENCRYPTED' });
    });
  }

  it('is failed when publish fails for good', async () => {
    await bench().allWorkers((stage) => {
      if (stage === 'publish') throw new AppError('DOCUMENT_NOT_FOUND');
    });
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'failed', { description: 'the flow to fail' });
  });

  it('adds nothing while the flow is active, however often and by however many it is added', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const runs = await bench().allWorkers(async (stage) => (stage === 'embed' ? held : undefined));
    const [one, other] = [await bench().queue(), await bench().queue()];
    const job = newJob();
    await Promise.all([one, other, one, other].map(async (queue) => queue.addDocumentFlow(job)));
    await eventually(() => runs.some(({ stage }) => stage === 'embed'), { description: 'embed to start' });
    await Promise.all([one, other].map(async (queue) => queue.addDocumentFlow(job)));
    release();
    await eventually(async () => (await one.flowState(job)) === 'completed', { description: 'the flow to complete' });
    expect(runs.map(({ stage }) => stage)).to.deep.equal([...stages]);
  });

  it('starts again from the first stage after a finished, a failed and a lost flow', async () => {
    let failPublish = false;
    const runs = await bench().allWorkers((stage) => {
      if (stage === 'publish' && failPublish) throw new AppError('DOCUMENT_NOT_FOUND');
    });
    const queue = await bench().queue();
    const job = newJob();
    const runOnce = async (state: string): Promise<void> => {
      runs.length = 0;
      await queue.addDocumentFlow(job);
      await eventually(async () => (await queue.flowState(job)) === state, { description: `the flow to be ${state}` });
      expect(runs.map(({ stage }) => stage)).to.deep.equal([...stages]);
    };
    await runOnce('completed');
    failPublish = true;
    await runOnce('failed');
    failPublish = false;
    await runOnce('completed');
    expect(await queue.removeFlow(job)).to.equal(stages.length);
    expect(await queue.removeFlow(job)).to.equal(0);
    expect(await queue.flowState(job)).to.equal('absent');
    await runOnce('completed');
  });

  it('runs once when several producers start it at once, for the first time and again', async () => {
    let release = (): void => undefined;
    let held = Promise.resolve();
    const runs = await bench().allWorkers(async (stage) => (stage === 'extract' ? held : undefined));
    const queues = [await bench().queue(), await bench().queue(), await bench().queue()];
    const job = newJob();
    for (let round = 1; round <= 5; round += 1) {
      runs.length = 0;
      held = new Promise((resolve) => (release = resolve));
      await Promise.all([...queues, ...queues].map(async (queue) => queue.addDocumentFlow(job)));
      release();
      await eventually(async () => (await queues[0]?.flowState(job)) === 'completed', {
        description: `round ${round}`,
      });
      expect(runs.map(({ stage }) => stage)).to.deep.equal([...stages]);
    }
  });

  it('is failed, and can be added again, when a part of its jobs was lost', async () => {
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    expect(await queue.flowState(job)).to.equal('active');
    await loseJob(bench().open, 'extract', job);
    expect(await queue.flowState(job)).to.equal('failed');
    const runs = await bench().allWorkers();
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'the flow to complete' });
    expect(runs.map(({ stage }) => stage)).to.deep.equal([...stages]);
  });

  it('removes a flow that runs: the running stage ends, and nothing follows', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let embedEnded = false;
    const runs = await bench().allWorkers(async (stage) => {
      if (stage !== 'embed') return;
      await held;
      embedEnded = true;
    });
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(() => runs.some(({ stage }) => stage === 'embed'), { description: 'embed to start' });
    await queue.removeFlow(job);
    release();
    await eventually(() => embedEnded, { description: 'embed to end' });
    // Another document's whole flow passes behind it: were anything to follow, it would have run by then.
    const next = newJob();
    await queue.addDocumentFlow(next);
    await eventually(async () => (await queue.flowState(next)) === 'completed', { description: 'the next flow' });
    const mine = runs.filter((run) => run.job.documentId === job.documentId).map(({ stage }) => stage);
    expect(mine).to.deep.equal(['extract', 'embed']);
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'the flow added again' });
  });
});
