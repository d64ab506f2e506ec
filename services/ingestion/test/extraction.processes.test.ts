import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { createLauncher } from '../src/extraction/launch.ts';
import { createExtractionPool, type ExtractionPool, type PoolOptions } from '../src/extraction/pool.ts';
import { gather, pieces, testSizes } from './support/extracted.ts';
import { testLimits } from './support/pdf.ts';
import { reasonOf } from './support/upload.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url));

interface RunOptions {
  readonly tenantId?: string;
  readonly signal?: AbortSignal;
  readonly kind?: 'pdf' | 'text';
}

describe('extraction processes', () => {
  let pool: ExtractionPool;
  const open = (entry: string, options: Partial<PoolOptions> = {}): void => {
    const launch = createLauncher({ maxHeapMiB: 128, entry: fixture(entry) });
    pool = createExtractionPool({ concurrency: 2, maxHeapMiB: 128, limits: testLimits, launch, ...options });
  };
  afterEach(async () => {
    await pool.close();
    expect(pool.size()).to.equal(0);
  });

  const { signal: never } = new AbortController();
  async function run(
    document: string,
    { tenantId = 'tenant-a', signal = never, kind = 'pdf' }: RunOptions = {},
  ): Promise<string> {
    const bytes = Buffer.from(document);
    const task = { kind, bytes: bytes.length, body: pieces(bytes), sizes: testSizes, signal };
    return (await pool.extract(tenantId, task, gather)).text;
  }

  it('can read their code and nothing else, know no environment, start nothing and evaluate nothing', async () => {
    open('child-probe');
    const found = JSON.parse(await run('x')) as Record<string, unknown>;
    expect(found).to.include({
      readPasswords: 'ERR_ACCESS_DENIED',
      writeFile: 'ERR_ACCESS_DENIED',
      startProcess: 'ERR_ACCESS_DENIED',
      evaluate: 'refused',
    });
    expect(found['environment']).to.deep.equal([]);
  });

  it('leave no core dump, which would hold text', async () => {
    const child = createLauncher({ maxHeapMiB: 128, entry: fixture('child-misbehaving') })();
    try {
      await once(child.stdout, 'data');
      const limits = await readFile(`/proc/${String(child.pid)}/limits`, 'utf8');
      expect(limits, 'soft and hard').to.match(/^Max core file size +0 +0 /m);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
  });

  it('are killed when they spin: EXTRACTION_TIMEOUT', async () => {
    open('child-misbehaving', { limits: { ...testLimits, pageTimeoutMs: 300 } });
    expect(await reasonOf(run('deed:spin'))).to.equal('EXTRACTION_TIMEOUT');
  });

  it('are killed when the whole document takes too long: EXTRACTION_TIMEOUT', async () => {
    open('child-misbehaving', { limits: { ...testLimits, timeoutMs: 300 } });
    expect(await reasonOf(run('deed:spin'))).to.equal('EXTRACTION_TIMEOUT');
  });

  it('are killed when they hold too much memory: EXTRACTION_MEMORY', async () => {
    open('child-misbehaving', { limits: { ...testLimits, maxRssBytes: 300 * 1024 * 1024 } });
    expect(await reasonOf(run('deed:hoard'))).to.equal('EXTRACTION_MEMORY');
  });

  it('die of a full heap: EXTRACTION_MEMORY', async () => {
    open('child-misbehaving');
    expect(await reasonOf(run('deed:heap'))).to.equal('EXTRACTION_MEMORY');
  });

  it('make the document corrupt when they crash or talk nonsense', async () => {
    open('child-misbehaving');
    for (const deed of ['exit', 'babble', 'lie'])
      expect(await reasonOf(run(`deed:${deed}`)), deed).to.equal('PDF_CORRUPT');
  });

  it('are not believed when they say more, less or other than they announced', async () => {
    open('child-misbehaving', { limits: { ...testLimits, maxChars: 10_000, maxPages: 10 } });
    const deeds = ['manypages', 'pagesback', 'longtext', 'manychunks', 'fewchunks', 'samechunk', 'longchunks'];
    for (const deed of deeds) expect(await reasonOf(run(`deed:${deed}`)), deed).to.equal('PDF_CORRUPT');
  });

  it('that fail over a plain text are our fault, not the text’s: INTERNAL', async () => {
    open('child-misbehaving');
    for (const deed of ['exit', 'babble', 'fewchunks'])
      expect(await reasonOf(run(`deed:${deed}`, { kind: 'text' })), deed).to.equal('INTERNAL');
  });

  it('may not flood us with a line without end: TEXT_TOO_LARGE', async () => {
    open('child-misbehaving', { limits: { ...testLimits, maxChars: 1_000 } });
    expect(await reasonOf(run('deed:flood'))).to.equal('TEXT_TOO_LARGE');
  });

  it('are killed when nobody waits any more: CANCELLED', async () => {
    open('child-misbehaving');
    const controller = new AbortController();
    const running = reasonOf(run('deed:spin', { signal: controller.signal }));
    await eventually(() => pool.size() > 0);
    controller.abort();
    expect(await running).to.equal('CANCELLED');
  });

  it('that do not come up are our fault, not the document’s: SERVICE_UNAVAILABLE', async () => {
    open('child-stillborn');
    expect(await reasonOf(run('x'))).to.equal('SERVICE_UNAVAILABLE');
  });

  it('serve one tenant again and again, and never another', async () => {
    open('child-misbehaving');
    const first = await run('deed:work');
    expect(await run('deed:work')).to.equal(first);
    expect(await run('deed:work', { tenantId: 'tenant-b' })).not.to.equal(first);
    expect(await run('deed:work')).to.equal(first);
  });

  it('go to the tenants in turn', async () => {
    open('child-misbehaving', { concurrency: 1 });
    const order: string[] = [];
    const come = async (name: string, tenantId: string): Promise<void> => {
      await run('deed:work', { tenantId });
      order.push(name);
    };
    await Promise.all([
      ...['A1', 'A2', 'A3', 'A4'].map((name) => come(name, 'tenant-a')),
      ...['B1', 'B2'].map((name) => come(name, 'tenant-b')),
    ]);
    expect(order).to.deep.equal(['A1', 'B1', 'A2', 'B2', 'A3', 'A4']);
  });

  it('do not read a document before its turn, and leave those alone that were given up', async () => {
    open('child-misbehaving', { concurrency: 1 });
    const first = new AbortController();
    const second = new AbortController();
    const running = reasonOf(run('deed:spin', { signal: first.signal }));
    let touched = false;
    async function* body(): AsyncGenerator<Uint8Array> {
      touched = true;
      yield await Promise.resolve(Buffer.from('deed:work'));
    }
    const task = { kind: 'pdf', bytes: 9, body: body(), sizes: testSizes, signal: second.signal } as const;
    const waiting = reasonOf(pool.extract('tenant-a', task, gather));
    expect(pool.waiting()).to.equal(1);
    second.abort();
    expect(await waiting).to.equal('CANCELLED');
    first.abort();
    expect(await running).to.equal('CANCELLED');
    await run('deed:work');
    expect(touched).to.equal(false);
  });

  it('are refused to those who still wait when the pool closes: SERVICE_UNAVAILABLE', async () => {
    open('child-misbehaving', { concurrency: 1 });
    const running = reasonOf(run('deed:spin'));
    const waiting = reasonOf(run('deed:work'));
    await pool.close();
    expect(await running).not.to.equal('none');
    expect(await waiting).to.equal('SERVICE_UNAVAILABLE');
  });

  it('are not charged with the time for which they wait for us', async () => {
    open('child-misbehaving', { limits: { ...testLimits, timeoutMs: 300 } });
    // A process that spins is killed when just that time is over.
    const aWhile = async () => reasonOf(run('deed:spin', { tenantId: 'tenant-b' }));
    async function* slowly(): AsyncGenerator<Uint8Array> {
      expect(await aWhile()).to.equal('EXTRACTION_TIMEOUT');
      yield Buffer.from('deed:work');
    }
    const task = { kind: 'pdf', bytes: 9, body: slowly(), sizes: testSizes, signal: never } as const;
    const { text } = await pool.extract('tenant-a', task, async (found) => {
      expect(await aWhile()).to.equal('EXTRACTION_TIMEOUT');
      return gather(found);
    });
    expect(text).to.match(/^\d+$/);
  });

  it('are thrown away when the one who reads their answer gives up', async () => {
    open('child-misbehaving');
    const before = await run('deed:work');
    const bytes = Buffer.from('deed:work');
    const task = { kind: 'pdf', bytes: 9, body: pieces(bytes), sizes: testSizes, signal: never } as const;
    const failing = pool.extract('tenant-a', task, () => Promise.reject(new AppError('AUDIT_UNAVAILABLE')));
    expect(await reasonOf(failing)).to.equal('AUDIT_UNAVAILABLE');
    expect(await run('deed:work')).not.to.equal(before);
  });

  it('are replaced after a number of documents', async () => {
    open('child-misbehaving', { documentsPerProcess: 2 });
    const pids = [await run('deed:work'), await run('deed:work'), await run('deed:work')];
    expect(pids[1]).to.equal(pids[0]);
    expect(pids[2]).not.to.equal(pids[0]);
  });

  it('are thrown away when a document came half', async () => {
    open('child-misbehaving');
    const before = await run('deed:work');
    const body = pieces(Buffer.from('only this'));
    const half = pool.extract('tenant-a', { kind: 'pdf', bytes: 100, body, sizes: testSizes, signal: never }, gather);
    expect(await reasonOf(half)).not.to.equal('none');
    expect(await run('deed:work')).not.to.equal(before);
  });

  it('are never more than may work at once, those that wait, and the warm one', async () => {
    open('child-misbehaving', { concurrency: 2 });
    const tenants = ['a', 'b', 'c', 'd', 'e', 'f'];
    await Promise.all(tenants.map((tenantId) => run('deed:work', { tenantId })));
    await eventually(() => pool.size() <= 3);
  });
});
