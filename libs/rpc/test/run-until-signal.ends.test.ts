import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { secret } from './support/platform.ts';

const kit = path.resolve(import.meta.dirname, '../src/index.ts');

/** Runs a program whose start function has the given body. `part(name)` says its name when it is closed. */
function run(body: string): {
  child: ChildProcess;
  out: Promise<string>;
  err: Promise<string>;
  ended: Promise<unknown[]>;
} {
  const program = `
    import { runUntilSignal } from ${JSON.stringify(kit)};
    const part = (name) => ({ close: async () => { console.log('closed ' + name); } });
    const alive = setInterval(() => {}, 1000);
    await runUntilSignal(async () => { ${body} });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  return { child, out: text(child.stdout), err: text(child.stderr), ended: once(child, 'exit') };
}

async function started(child: ChildProcess): Promise<void> {
  if (child.stdout) await once(child.stdout, 'data');
}

describe('runUntilSignal', function () {
  this.timeout(30_000);

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`closes in order on ${signal} and exits with 0`, async () => {
      const { child, out, ended } = run(
        `console.log('started'); return [part('server'), part('workers'), part('database')];`,
      );
      await started(child);
      child.kill(signal);
      expect(await ended).deep.equal([0, null]);
      expect(await out).equal('started\nclosed server\nclosed workers\nclosed database\n');
    });
  }

  it('exits with 1 when the start fails, saying where but not what', async () => {
    const { err, ended } = run(`throw new Error(${JSON.stringify(secret)});`);
    expect(await ended).deep.equal([1, null]);
    expect(await err)
      .include('"level":"fatal"')
      .and.not.include('Abernathy');
  });

  it('says what is wrong with a configuration', async () => {
    const { err, ended } = run(
      `throw Object.assign(new Error('WARDSTONE_PORT: is required'), { name: 'ConfigError' });`,
    );
    expect(await ended).deep.equal([1, null]);
    expect(await err).include('WARDSTONE_PORT: is required');
  });

  it('exits with 1 on an error that nobody handled', async () => {
    const late = `setTimeout(() => { void Promise.reject(new Error('late')); }, 10); return [];`;
    expect(await run(late).ended).deep.equal([1, null]);
    const thrown = `setTimeout(() => { throw new Error('late'); }, 10); return [];`;
    expect(await run(thrown).ended).deep.equal([1, null]);
  });

  it('exits with 1 when something does not close', async () => {
    const { child, ended } = run(
      `console.log('started'); return [{ close: () => Promise.reject(new Error('stuck')) }];`,
    );
    await started(child);
    child.kill('SIGTERM');
    expect(await ended).deep.equal([1, null]);
  });
});
