import { fileURLToPath } from 'node:url';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { createLauncher } from '../src/extraction/launch.ts';
import { createExtractionPool, type ExtractionPool, type PoolOptions } from '../src/extraction/pool.ts';
import { testLimits } from './support/pdf.ts';
import { reasonOf } from './support/upload.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url));

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

  async function run(document: string, tenantId = 'tenant-a', signal = new AbortController().signal): Promise<string> {
    let text = '';
    const bytes = Buffer.from(document);
    await pool.extract(tenantId, {
      bytes: bytes.length,
      body: body(bytes),
      signal,
      onOpened: () => undefined,
      onPage: (_page, found) => {
        text += found;
      },
    });
    return text;
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

  it('may not flood us with a line without end: TEXT_TOO_LARGE', async () => {
    open('child-misbehaving', { limits: { ...testLimits, maxChars: 1_000 } });
    expect(await reasonOf(run('deed:flood'))).to.equal('TEXT_TOO_LARGE');
  });

  it('are killed when nobody waits any more: CANCELLED', async () => {
    open('child-misbehaving');
    const controller = new AbortController();
    const running = reasonOf(run('deed:spin', 'tenant-a', controller.signal));
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
    const first = await run('deed:work', 'tenant-a');
    expect(await run('deed:work', 'tenant-a')).to.equal(first);
    expect(await run('deed:work', 'tenant-b')).not.to.equal(first);
    expect(await run('deed:work', 'tenant-a')).to.equal(first);
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
    const half = pool.extract('tenant-a', {
      bytes: 100,
      body: body(Buffer.from('only this')),
      signal: new AbortController().signal,
      onOpened: () => undefined,
      onPage: () => undefined,
    });
    expect(await reasonOf(half)).not.to.equal('none');
    expect(await run('deed:work')).not.to.equal(before);
  });

  it('are never more than may work at once, those that wait, and the warm one', async () => {
    open('child-misbehaving', { concurrency: 2 });
    const tenants = ['a', 'b', 'c', 'd', 'e', 'f'];
    await Promise.all(tenants.map((tenant) => run('deed:work', tenant)));
    await eventually(() => pool.size() <= 3);
  });
});

async function* body(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
