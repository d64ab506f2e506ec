import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { dumpStore } from './support/raw-store.ts';
import { newJob, onEveryBackend } from './support/suite.ts';

onEveryBackend('retries', (bench) => {
  it('repeats while something it depends on is away, beyond any count, until it is back', async () => {
    let away = true;
    const runs = await bench().allWorkers((stage) => {
      if (stage === 'embed' && away) throw new AppError('MODEL_UNAVAILABLE');
    });
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(() => runs.filter(({ stage }) => stage === 'embed').length > 12, { description: '12 attempts' });
    expect(await queue.flowState(job)).to.equal('active');
    away = false;
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'the flow to complete' });
    expect(runs.at(-1)?.context).not.to.have.property('failure');
    const attempts = runs.filter(({ stage }) => stage === 'embed').map(({ context }) => context.attempt);
    expect(attempts).to.deep.equal(attempts.map((_, index) => index + 1));
  });

  it('gives up as INTERNAL after five failures for no known reason, and says so at the last', async () => {
    const runs = await bench().allWorkers((stage) => {
      if (stage === 'index') throw new TypeError('boom');
    });
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'publish' });
    const lastAttempts = runs.filter(({ stage }) => stage === 'index').map(({ context }) => context.lastAttempt);
    expect(lastAttempts).to.deep.equal([false, false, false, false, true]);
    expect(runs.at(-1)?.context.failure).to.deep.equal({ stage: 'index', reason: 'INTERNAL' });
  });

  it('does not count waiting for what is away against failures for no known reason', async () => {
    const faults = [
      ...Array.from({ length: 8 }, () => new AppError('KEY_UNAVAILABLE')),
      new Error('a'),
      new Error('b'),
    ];
    const runs = await bench().allWorkers((stage) => {
      const fault = stage === 'extract' ? faults.shift() : undefined;
      if (fault !== undefined) throw fault;
    });
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'the flow to complete' });
    expect(runs.at(-1)?.context).not.to.have.property('failure');
    expect(runs.filter(({ stage }) => stage === 'extract')).to.have.length(11);
  });

  it('repeats publish as well, which then still sees the failure', async () => {
    const faults = [new AppError('DATABASE_UNAVAILABLE'), new AppError('AUDIT_UNAVAILABLE')];
    const runs = await bench().allWorkers((stage) => {
      if (stage === 'extract') throw new AppError('NO_TEXT');
      const fault = stage === 'publish' ? faults.shift() : undefined;
      if (fault !== undefined) throw fault;
    });
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'publish' });
    const failures = runs.filter(({ stage }) => stage === 'publish').map(({ context }) => context.failure?.reason);
    expect(failures).to.deep.equal(['NO_TEXT', 'NO_TEXT', 'NO_TEXT']);
  });

  it('leaves nothing of what an error says in the store while it is repeated', async () => {
    const runs = await bench().allWorkers((stage) => {
      if (stage === 'extract') throw new AppError('MODEL_UNAVAILABLE', { message: 'zebrafish-penicillin' });
    });
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(() => runs.length > 3, { description: 'a few attempts' });
    const dump = await dumpStore(bench().open);
    expect(dump).to.include(job.documentId).and.to.include('MODEL_UNAVAILABLE').and.not.to.include('zebrafish');
  });

  it('leaves nothing of what an error says in the store or in the log', async () => {
    const secret = 'zebrafish-penicillin';
    await bench().allWorkers((stage) => {
      if (stage === 'extract') throw new Error(secret, { cause: new Error(`because ${secret}`) });
      if (stage === 'publish') throw new AppError('DOCUMENT_NOT_FOUND', { cause: new Error(secret) });
    });
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'failed', { description: 'the flow to fail' });
    const dump = await dumpStore(bench().open);
    expect(dump).to.include(job.documentId).and.not.to.include('zebrafish');
    expect(bench().logLines.join('')).to.include('job failed').and.not.to.include('zebrafish');
  });
});
