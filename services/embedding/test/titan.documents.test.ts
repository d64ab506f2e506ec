import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { useTestAwsCredentials } from '@wardstone/testing/aws';
import { partTexts } from '../src/domain/vectors-part.ts';
import { embedJob } from '../src/jobs/embed.ts';
import { type Harness, job, openHarness } from './support/harness.ts';
import { openTitanHarness, paidTexts, textOf, type TitanHarness } from './support/titan.ts';

/** A document of 500 pages, a chunk a page. */
const texts = Array.from(
  { length: 500 },
  (_, index) => `Page ${String(index + 1)}: the patient was seen on round ${String(index)}.`,
);
const passages = texts.map((text) => `Title\n${text}`);
const never = { signal: new AbortController().signal };
const maxConcurrency = 16;

describe('Titan: a document of 500 pages', () => {
  useTestAwsCredentials();
  let titan: TitanHarness;
  let harness: Harness;
  const run = async (context = never) => embedJob(harness.deps)(job, context);
  const open = async (firstTokenMs: number) => {
    titan = await openTitanHarness({ config: { maxConcurrency }, double: { firstTokenMs } });
    harness = await openHarness(titan.model);
    await harness.writeChunks(texts);
  };
  afterEach(async () => {
    await harness.close();
    await titan.close();
  });

  it('is done although half of the calls are throttled: every text is paid for once', async () => {
    await open(0);
    titan.double.fault({ kind: 'error', type: 'ThrottlingException' }, { share: 0.5 });
    // The queue would repeat the job; each text has ten attempts, so that it seldom has to.
    let runs = 1;
    for (; (await reasonOf(run())) !== 'none'; runs += 1) expect(runs).to.be.lessThan(5);
    expect(paidTexts(titan.double).sort()).to.deep.equal([...passages].sort());
    expect((await harness.readVectors()).vectors).to.have.length(texts.length);
    // With every other call refused there is no room: the limit is at its bottom, and so are the calls.
    const late = titan.double.calls.slice(200);
    expect(median(late.map(({ concurrentAtStart }) => concurrentAtStart))).to.be.at.most(2);
  }).timeout(120_000);

  it('finds how many calls the model takes at once, and never makes more than it may', async () => {
    const room = 6;
    await open(5);
    titan.double.fault({ kind: 'error', type: 'ThrottlingException' }, { whileConcurrentAbove: room });
    await run();
    expect(paidTexts(titan.double).sort()).to.deep.equal([...passages].sort());
    const seen = titan.double.calls.slice(100).map(({ concurrentAtStart }) => concurrentAtStart);
    // It goes up until it is refused, and comes down again: about the room that there is, with few refused.
    expect(Math.max(...seen))
      .to.be.greaterThan(room - 1)
      .and.at.most(maxConcurrency);
    expect(median(seen)).to.be.within(room / 2 - 1, room + 1);
    const refused = titan.double.calls.filter(({ status }) => status === 429).length;
    expect(refused).to.be.lessThan(texts.length / 3);
  }).timeout(120_000);

  it('takes all that it may when nothing is throttled', async () => {
    await open(5);
    await run();
    expect(titan.double.peakConcurrent()).to.be.within(maxConcurrency - 2, maxConcurrency);
    expect(titan.double.calls).to.have.length(texts.length);
  }).timeout(120_000);

  it('is paid for once when its job is ended in the middle, again and again', async () => {
    await open(2);
    for (const stopAt of [80, 200, 350]) {
      const controller = new AbortController();
      const ended = reasonOf(run({ signal: controller.signal }));
      await eventually(() => paidTexts(titan.double).length >= stopAt);
      controller.abort(new Error('job closing'));
      expect(await ended).to.equal('CANCELLED');
    }
    await run();
    expect(paidTexts(titan.double).sort()).to.deep.equal([...passages].sort());
    const tokens = titan.double.calls.reduce((sum, { inputTokens }) => sum + inputTokens, 0);
    expect(harness.events[0]?.attributes).to.include({ chunks: '500', input_tokens: String(tokens) });
  }).timeout(120_000);

  it('holds up no question: it comes before the passages that wait', async () => {
    await open(10);
    const passagesDone = titan.model.embed(passages.slice(0, 300), 'passage', { tenantId: job.tenantId });
    await eventually(() => titan.double.calls.length > 20);
    const before = titan.double.calls.length;
    await titan.model.embed(['Which dose?'], 'query', { tenantId: job.tenantId });
    const at = titan.double.calls.findIndex((call) => textOf(call) === 'Which dose?');
    // Behind those that had their turn already, and before the hundreds that wait.
    expect(at - before).to.be.within(0, 2 * maxConcurrency);
    await passagesDone;
  }).timeout(120_000);
});

describe('Titan: a document whose service is killed', () => {
  useTestAwsCredentials();

  it('pays again for no more than the vectors that no part held yet', async () => {
    const titan = await openTitanHarness({ double: { firstTokenMs: 3 } });
    const harness = await openHarness(titan.model);
    try {
      await harness.writeChunks(texts.slice(0, 300));
      const child = startJob(harness.dir, titan.double.endpoint);
      await eventually(() => paidTexts(titan.double).length > 150, { timeoutMs: 60_000 });
      child.kill('SIGKILL');
      await once(child, 'exit');
      await eventually(() => titan.double.concurrent() === 0);
      const before = paidTexts(titan.double).length;
      await embedJob(harness.deps)(job, never);
      const paid = paidTexts(titan.double);
      expect(new Set(paid)).to.deep.equal(new Set(passages.slice(0, 300)));
      // Two parts at a time are on their way.
      expect(paid.length - 300).to.be.at.most(2 * partTexts);
      expect(before).to.be.lessThan(300);
      expect((await harness.readVectors()).vectors).to.have.length(300);
    } finally {
      await harness.close();
      await titan.close();
    }
  }).timeout(120_000);
});

function startJob(dir: string, endpoint: string): ChildProcess {
  const script = fileURLToPath(new URL('./support/run-job.ts', import.meta.url));
  return spawn(process.execPath, [script, dir, endpoint], { stdio: 'inherit' });
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => AppError.from(error).reason,
  );
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
