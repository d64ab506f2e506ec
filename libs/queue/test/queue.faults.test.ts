import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { stages } from '../src/index.ts';
import { cutProxy, type CutProxy } from './support/cut-proxy.ts';
import { rejection } from './support/rejection.ts';
import { newJob, onEveryBackend } from './support/suite.ts';

onEveryBackend('faults of the server', (bench) => {
  let proxy: CutProxy;
  beforeEach(async () => (proxy = await cutProxy(bench().open.backend)));
  afterEach(async () => proxy.close());

  it('a producer that starts while the server is away fails fast, and works once it is there', async () => {
    await proxy.cut();
    const queue = await bench().queue({ backend: proxy.backend, timeoutMs: 1_000 });
    const job = newJob();
    try {
      for (const call of [queue.addDocumentFlow(job), queue.flowState(job), queue.removeFlow(job), queue.check()]) {
        expect(await rejection(call)).to.have.property('reason', 'QUEUE_UNAVAILABLE');
      }
      await proxy.mend();
      await eventually(async () => (await queue.addDocumentFlow(job), true), { description: 'the flow to be added' });
      expect(await queue.flowState(job)).to.equal('active');
    } finally {
      await queue.close();
    }
  });

  it('a producer whose connections were lost fails fast, and works once the server is back', async () => {
    const queue = await bench().queue({ backend: proxy.backend, timeoutMs: 1_000 });
    try {
      await queue.check();
      await proxy.cut();
      expect(await rejection(queue.addDocumentFlow(newJob()))).to.have.property('reason', 'QUEUE_UNAVAILABLE');
      const told = () => bench().logLines.find((line) => line.includes('queue connection fault'));
      const line = await eventually(() => told(), { description: 'the fault to be told' });
      expect(JSON.parse(line)).to.have.nested.property('err.name').that.is.a('string').and.is.not.empty;
      expect(line).not.to.include('withheld');
      await proxy.mend();
      await eventually(async () => (await queue.check(), true), { description: 'the producer to reconnect' });
      const job = newJob();
      await queue.addDocumentFlow(job);
      expect(await queue.flowState(job)).to.equal('active');
    } finally {
      await queue.close();
    }
    expect(await rejection(queue.check())).to.have.property('reason', 'QUEUE_UNAVAILABLE');
  });

  it('a worker that starts while the server is away takes jobs once it is there', async () => {
    await proxy.cut();
    const ran: string[] = [];
    const worker = await bench().worker('extract', async (job) => void ran.push(job.documentId), {
      backend: proxy.backend,
    });
    expect(await rejection(worker.check())).to.be.instanceOf(Error);
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await proxy.mend();
    await eventually(() => ran.includes(job.documentId), { description: 'the job to run', timeoutMs: 15_000 });
    await worker.check();
  });

  it('a worker whose server went away in the middle of a job finishes the flow once it is back', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const runs: string[] = [];
    for (const stage of stages) {
      await bench().worker(
        stage,
        async () => {
          runs.push(stage);
          if (stage === 'embed') await held;
        },
        { backend: proxy.backend },
      );
    }
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(() => runs.includes('embed'), { description: 'embed to start' });
    await proxy.cut();
    release();
    await proxy.mend();
    await eventually(async () => (await queue.flowState(job)) === 'completed', {
      description: 'the flow to complete',
      timeoutMs: 18_000,
    });
    expect(runs.filter((stage) => stage === 'publish')).to.have.length(1);
  });

  it('does not run a finished job again because its end could not be told at once', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let runs = 0;
    await bench().worker(
      'extract',
      async () => {
        runs += 1;
        await held;
      },
      { backend: proxy.backend },
    );
    const ahead: string[] = [];
    await bench().worker('embed', async (job) => void ahead.push(job.documentId));
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(() => runs === 1, { description: 'extract to start' });
    proxy.hangUp();
    release();
    await eventually(() => proxy.hungUp() >= 2, { description: 'the worker to try to reach its server' });
    await proxy.mend();
    await eventually(() => ahead.includes(job.documentId), { description: 'the next stage', timeoutMs: 18_000 });
    expect(runs).to.equal(1);
  });

  it('loses no flow while connections are ended again and again', async () => {
    const runs = await bench().allWorkers();
    const queue = await bench().queue();
    const jobs = Array.from({ length: 30 }, () => newJob());
    const added = new Set<string>();
    let rounds = 0;
    for (const job of jobs) {
      if (rounds % 6 === 0) await bench().open.terminateConnections();
      rounds += 1;
      await eventually(async () => (await queue.addDocumentFlow(job), true), { description: 'the flow to be added' });
      added.add(job.documentId);
    }
    for (const job of jobs) {
      await eventually(async () => (await queue.flowState(job)) === 'completed', {
        description: 'every flow to complete',
        timeoutMs: 18_000,
      });
    }
    const published = runs.filter(({ stage }) => stage === 'publish').map((run) => run.job.documentId);
    expect(new Set(published)).to.deep.equal(added);
  }).timeout(40_000);
});
