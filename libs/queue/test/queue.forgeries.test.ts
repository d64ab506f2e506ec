import { randomUUID } from 'node:crypto';
import { createServiceIdentity, systemPrincipal } from '@wardstone/access';
import { AppError } from '@wardstone/rpc';
import { eventually, testIdentities } from '@wardstone/testing';
import type { Job } from 'bullmq';
import { expect } from 'chai';
import { stageJobId, stages, type StageJob } from '../src/index.ts';
import { readJob, signJob, signOutcome, type RunningStage } from '../src/statements.ts';
import { forgeJob, forgeProgress, storedJob, strangeWorker } from './support/raw-store.ts';
import { signaturesOf } from './support/signatures.ts';
import { newJob, onEveryBackend, type Bench } from './support/suite.ts';

/** What somebody with the store's credential, and with what it holds, puts in place of a signed job. */
const forgedJobs: [string, string, (bench: Bench, job: StageJob) => Promise<unknown>][] = [
  ['that nobody signed', 'UNSIGNED', async (_bench, job) => Promise.resolve(job)],
  ['with a text for a signature', 'SIGNATURE_INVALID', async () => Promise.resolve({ signed: 'a.b.c' })],
  [
    'signed with a key of nobody',
    'SIGNATURE_INVALID',
    async (_bench, job) => {
      const strangers = await testIdentities(['ingestion']);
      const signatures = await signaturesOf(strangers, 'ingestion');
      await strangers.drop();
      return signJob(signatures, running(job));
    },
  ],
  ['whose algorithm is none', 'SIGNATURE_INVALID', async (bench, job) => recoded(bench, job, { header: true })],
  ['altered to another tenant', 'SIGNATURE_INVALID', async (bench, job) => recoded(bench, job, { header: false })],
  [
    'that is a token between services',
    'SIGNATURE_INVALID',
    async (bench, { tenantId }) => {
      const privateJwkFile = bench.identities.keyFile('ingestion');
      const identity = await createServiceIdentity({ service: 'ingestion', privateJwkFile });
      return { signed: await identity.authorize('audit')(systemPrincipal('ingestion', tenantId)) };
    },
  ],
  [
    'signed by a service that adds no flows',
    'ISSUER_NOT_ACCEPTED',
    async (bench, job) => signJob(await bench.signatures('embedding'), running(job)),
  ],
  [
    'signed for another stage',
    'OTHER_JOB',
    async (bench, job) => signJob(await bench.signatures('ingestion'), { ...running(job), stage: 'embed' }),
  ],
  [
    'signed for another document',
    'OTHER_JOB',
    async (bench) => signJob(await bench.signatures('ingestion'), running(newJob())),
  ],
  [
    'that is an outcome',
    'MALFORMED',
    async (bench, job) => ({ signed: await signOutcome(await bench.signatures('ingestion'), running(job)) }),
  ],
];

/** What a stolen `index` job is answered with by somebody who is not retrieval. */
const forgedOutcomes: [string, string, (bench: Bench, stolen: RunningStage, earlier: unknown) => Promise<unknown>][] = [
  ['nothing', 'UNSIGNED', async () => Promise.resolve({})],
  ['a failure of its own words', 'UNSIGNED', async () => Promise.reject(new Error('PDF_ENCRYPTED'))],
  ['an outcome of nobody', 'SIGNATURE_INVALID', async () => Promise.resolve({ signed: 'a.b.c' })],
  [
    'an outcome by another service',
    'ISSUER_NOT_ACCEPTED',
    async (bench, stolen) => ({ signed: await signOutcome(await bench.signatures('embedding'), stolen) }),
  ],
  [
    'a failure by another service',
    'ISSUER_NOT_ACCEPTED',
    async (bench, stolen) => {
      const outcome = await signOutcome(await bench.signatures('embedding'), stolen, 'PDF_ENCRYPTED');
      throw new Error(`PDF_ENCRYPTED ${outcome}`);
    },
  ],
  [
    'the outcome of the stage before',
    'OTHER_JOB',
    async (bench, stolen) => (await storedJob(bench.open, 'embed', stolen.job)).returnvalue as unknown,
  ],
  [
    'the outcome of another document',
    'OTHER_JOB',
    async (bench, stolen) => {
      const other = { ...stolen, job: { ...stolen.job, documentId: randomUUID() } };
      return { signed: await signOutcome(await bench.signatures('retrieval'), other) };
    },
  ],
  [
    'the outcome of another tenant',
    'OTHER_JOB',
    async (bench, stolen) => {
      const other = { ...stolen, job: { ...stolen.job, tenantId: randomUUID() } };
      return { signed: await signOutcome(await bench.signatures('retrieval'), other) };
    },
  ],
  ['the outcome of an earlier run', 'OTHER_JOB', async (_bench, _stolen, earlier) => Promise.resolve(earlier)],
];

onEveryBackend('forgeries', (bench) => {
  for (const [name, refusal, forge] of forgedJobs) {
    it(`refuses a job ${name}, at once and without running it`, async () => {
      const runs = await bench().allWorkers();
      const job = newJob();
      const data = await forge(bench(), job);
      await forgeJob(bench().open, 'extract', data, { jobId: stageJobId('extract', job), attempts: 10 });
      await refused('extract', 'job', refusal);
      expect(runs).to.deep.equal([]);
      const line = bench().logLines.find((text) => text.includes('refused')) ?? '';
      expect(JSON.parse(line)).to.include({ stage: 'extract', kind: 'job', reason: refusal });
      expect(line).not.to.include(job.tenantId);
      const stored = async (): Promise<unknown> => (await storedJob(bench().open, 'extract', job)).failedReason;
      await eventually(async () => (await stored()) === `REFUSED job ${refusal}`, { description: 'the job to fail' });
    });
  }

  for (const [name, refusal, lie] of forgedOutcomes) {
    it(`does not publish on ${name}, and does so when the flow is added again`, async () => {
      const published: string[] = [];
      await bench().worker('extract', async () => Promise.resolve());
      await bench().worker('embed', async () => Promise.resolve());
      await bench().worker('publish', async (job) => void published.push(job.documentId));
      const queue = await bench().queue();
      const job = newJob();
      const earlier = await runHonestly(job);
      expect(published.splice(0)).to.deep.equal([job.documentId]);
      await thief(
        async (stolen) => lie(bench(), stolen, earlier),
        async () => {
          await queue.addDocumentFlow(job);
          await refused('publish', 'outcome', refusal);
          await eventually(async () => (await queue.flowState(job)) === 'failed', { description: 'the flow to fail' });
        },
      );
      expect(published).to.deep.equal([]);
      await runHonestly(job);
      expect(published).to.deep.equal([job.documentId]);
    });
  }

  it('refuses stages out of their order, and a repeated end without its beginning', async () => {
    const runs = await bench().allWorkers();
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'the flow to complete' });
    const kept = new Map<string, unknown>();
    for (const stage of stages) kept.set(stage, (await storedJob(bench().open, stage, job)).data);
    await queue.removeFlow(job);
    runs.length = 0;
    for (const stage of ['embed', 'index', 'publish'] as const) {
      await forgeJob(bench().open, stage, kept.get(stage), { jobId: stageJobId(stage, job) });
      await refused(stage, 'outcome', 'UNSIGNED');
    }
    expect(runs).to.deep.equal([]);
  });

  it('believes only its own service of how often a job has run', async () => {
    const queue = await bench().queue();
    const [honest, spent] = [newJob(), newJob()];
    for (const job of [honest, spent]) await queue.addDocumentFlow(job);
    const counted = { unsureFailures: 1_000, takeovers: 50, stalledCount: 7 };
    await forgeProgress(bench().open, 'extract', honest, counted);
    const { data } = await storedJob(bench().open, 'extract', spent);
    const signatures = await bench().signatures('ingestion');
    const { run } = await readJob(signatures, 'extract', data);
    const { tenantId, documentId, version } = spent;
    const tally = { kind: 'tally', stage: 'extract', run, tenantId, documentId, version, ...counted };
    await forgeProgress(bench().open, 'extract', spent, { signed: await signatures.sign(tally) });
    const runs = await bench().allWorkers((stage, _job, { attempt }) => {
      if (stage === 'extract' && attempt === 1) throw new Error('boom');
    });
    for (const job of [honest, spent]) {
      await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'publish' });
    }
    const of = (job: StageJob) => runs.filter((run_) => run_.job.documentId === job.documentId);
    expect(of(honest).map(({ stage }) => stage)).to.deep.equal(['extract', ...stages]);
    expect(of(spent).map(({ stage }) => stage)).to.deep.equal(['publish']);
    expect(of(spent)[0]?.context.failure).to.deep.equal({ stage: 'extract', reason: 'INTERNAL' });
  });

  it('leaves the reason of a failure to be read, with its signature', async () => {
    await bench().allWorkers((stage) => {
      if (stage === 'extract') throw new AppError('NO_TEXT');
    });
    const queue = await bench().queue();
    const job = newJob();
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'publish' });
    expect((await storedJob(bench().open, 'extract', job)).failedReason).to.match(/^NO_TEXT [\w-]+\.[\w-]+\.[\w-]+$/);
  });

  async function refused(stage: string, subject: string, reason: string): Promise<void> {
    const line = new RegExp(`_refused_total\\{stage="${stage}",subject="${subject}",reason="${reason}"[^}]*\\} 1\\b`);
    const counted = async (): Promise<boolean> => line.test(await bench().telemetry.metrics.metrics());
    await eventually(counted, { description: `a refusal of ${stage} for ${reason}` });
  }

  /** The whole flow with the true `index`; gives what that leaves for publish. */
  async function runHonestly(job: StageJob): Promise<unknown> {
    const queue = await bench().queue();
    const worker = await bench().worker('index', async () => Promise.resolve());
    await queue.addDocumentFlow(job);
    await eventually(async () => (await queue.flowState(job)) === 'completed', { description: 'the flow to complete' });
    await worker.close();
    return (await storedJob(bench().open, 'index', job)).returnvalue as unknown;
  }

  async function thief(lie: (stolen: RunningStage) => Promise<unknown>, work: () => Promise<void>): Promise<void> {
    const signatures = await bench().signatures('retrieval');
    const worker = await strangeWorker(bench().open, 'index', async (stolen: Job) => {
      // The flow says that it repeats failures; a thief would not.
      stolen.opts.attempts = 1;
      return lie(await readJob(signatures, 'index', stolen.data));
    });
    try {
      await work();
    } finally {
      await worker.close();
    }
  }
});

function running(job: StageJob): RunningStage {
  return { stage: 'extract', run: randomUUID(), job };
}

/** A good signature over other words: without an algorithm, or for another tenant. */
async function recoded(bench: Bench, job: StageJob, { header }: { header: boolean }): Promise<unknown> {
  const good = await signJob(await bench.signatures('ingestion'), running({ ...job, tenantId: randomUUID() }));
  const [head = '', payload = '', signature = ''] = good.signed.split('.');
  if (header) return { signed: `${recode(head, /EdDSA/, 'none')}.${payload}.` };
  return { signed: `${head}.${recode(payload, /(?<="tenantId":")[^"]*/, job.tenantId)}.${signature}` };
}

function recode(part: string, pattern: RegExp, text: string): string {
  return Buffer.from(Buffer.from(part, 'base64url').toString().replace(pattern, text)).toString('base64url');
}
