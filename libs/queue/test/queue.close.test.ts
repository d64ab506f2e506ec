import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { loseJob } from './support/raw-store.ts';
import { newJob, onEveryBackend } from './support/suite.ts';

onEveryBackend('closing a worker', (bench) => {
  it('lets a running job finish, and takes no further one', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const [began, ended]: [string[], string[]] = [[], []];
    const worker = await bench().worker(
      'extract',
      async (job) => {
        began.push(job.documentId);
        await held;
        ended.push(job.documentId);
      },
      { concurrency: 1 },
    );
    const queue = await bench().queue();
    const [first, second] = [newJob(), newJob()];
    await queue.addDocumentFlow(first);
    await eventually(() => began.length === 1, { description: 'the first job to begin' });
    await queue.addDocumentFlow(second);
    const closed = worker.close();
    release();
    await Promise.all([closed, worker.close()]);
    expect(ended).to.deep.equal([first.documentId]);
    expect(began).to.deep.equal([first.documentId]);
    const others: string[] = [];
    await bench().worker('extract', async (job) => void others.push(job.documentId));
    await eventually(() => others.length > 0, { description: 'the second job to run elsewhere' });
    expect(others).to.deep.equal([second.documentId]);
  });

  it('aborts a job that does not finish in time and gives it back, so that another runs it at once', async () => {
    let began = false;
    const worker = await bench().worker(
      'extract',
      async (_job, { signal }) => {
        began = true;
        await new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
        });
      },
      // With this lock nobody could take the job over before the test ends: it has to be given back.
      { drainTimeoutMs: 50, lockDurationMs: 600_000 },
    );
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(() => began, { description: 'the job to begin' });
    await worker.close();
    const attempts: number[] = [];
    await bench().worker('extract', async (_job, { attempt }) => void attempts.push(attempt));
    await eventually(() => attempts.length > 0, { description: 'the job to run elsewhere' });
    expect(attempts).to.deep.equal([1]);
    expect(await bench().telemetry.metrics.metrics()).to.match(
      /wardstone_queue_jobs_total\{stage="extract",outcome="returned"[^}]*\} 1\b/,
    );
  });

  it('ends in time even when a job heeds no abort, and says so', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let began = false;
    const worker = await bench().worker(
      'extract',
      async () => {
        began = true;
        await held;
      },
      { drainTimeoutMs: 20 },
    );
    const queue = await bench().queue();
    await queue.addDocumentFlow(newJob());
    await eventually(() => began, { description: 'the job to begin' });
    await worker.close();
    expect(bench().logLines.join('')).to.include('did not heed the abort');
    release();
  });

  it('aborts a job whose lock was lost to another worker', async () => {
    let [began, aborted] = [false, false];
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await bench().worker(
      'extract',
      async (_job, { signal }) => {
        began = true;
        signal.addEventListener('abort', () => (aborted = true), { once: true });
        await held;
      },
      { lockDurationMs: 1_000 },
    );
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(() => began, { description: 'the job to begin' });
    await loseJob(bench().open, 'extract', job);
    await eventually(() => aborted, { description: 'the abort' });
    release();
  });
});
