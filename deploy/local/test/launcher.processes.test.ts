import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '@wardstone/testing';
import { launchProgram, type ProgramSpec } from '../src/platform/launch.ts';
import { supervise, type Supervised } from '../src/platform/supervise.ts';
import { freePort } from '../src/setup/ports.ts';

const fixture = (name: string): string => path.join(import.meta.dirname, 'fixtures', name);

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('the launcher and its processes', () => {
  let dir: string;
  const lines: string[] = [];
  const supervised: Supervised[] = [];

  const specOf = async (env: Record<string, string> = {}): Promise<ProgramSpec> => {
    const port = await freePort();
    return {
      name: 'program',
      entry: fixture('program.ts'),
      env: { PORT: String(port), ...env },
      logFile: path.join(dir, 'program.log'),
      readyUrl: `http://127.0.0.1:${port}/readyz`,
      readyTimeoutMs: 15_000,
      stopTimeoutMs: 300,
    };
  };
  const keep = (spec: ProgramSpec, autoRestart = true): Supervised => {
    const part = supervise({
      name: spec.name,
      launch: () => launchProgram(spec),
      report: (line) => lines.push(line),
      autoRestart,
      firstDelayMs: 10,
    });
    supervised.push(part);
    return part;
  };

  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'wardstone-launcher-'));
  });
  afterEach(async () => {
    await Promise.all(supervised.splice(0).map(async (part) => part.stop()));
    lines.length = 0;
  });
  after(async () => rm(dir, { recursive: true }));

  it('starts a killed process again, and says so in one line', async () => {
    const part = keep(await specOf());
    await part.start();
    const before = part.pid;
    part.kill('SIGKILL');
    await part.whenReady(10_000);
    expect(part.pid).to.be.a('number').and.not.equal(before);
    expect(isAlive(before)).to.equal(false);
    expect(lines[0]).to.equal('program was ended by SIGKILL; starting it again in 10 ms');
  });

  it('leaves a killed process dead when restarts are manual, and starts it when told', async () => {
    const part = keep(await specOf(), false);
    await part.start();
    part.kill('SIGKILL');
    await eventually(() => lines.length === 1, { timeoutMs: 5_000, description: 'the report' });
    expect(part.pid).to.equal(undefined);
    await part.start();
    expect(isAlive(part.pid)).to.equal(true);
  });

  it('fails to start with the end of the log when the program ends at once, and leaves nothing', async () => {
    const part = keep(await specOf({ ENDS_AT_ONCE: 'yes' }));
    const failure = await part.start().catch((error: unknown) => error);
    expect(String(failure)).to.contain('program exited with 3 before it was ready');
    expect(String(failure)).to.contain('there is no configuration');
    expect(part.pid).to.equal(undefined);
  });

  it('ends a process that does not heed SIGTERM', async () => {
    const part = keep(await specOf({ DEAF: 'yes' }));
    await part.start();
    const { pid } = part;
    await part.stop();
    expect(isAlive(pid)).to.equal(false);
  });

  it('gives a program its own environment and nothing else', async () => {
    process.env['WARDSTONE_TEST_SECRET'] = 'of the launcher';
    const spec = await specOf();
    const part = keep(spec);
    try {
      await part.start();
      expect(await (await fetch(spec.readyUrl)).json()).to.deep.equal(['PORT']);
    } finally {
      delete process.env['WARDSTONE_TEST_SECRET'];
    }
  });

  it('leaves no process when the launcher itself is killed with -9', async () => {
    const port = await freePort();
    const args = [fixture('launcher.ts'), fixture('program.ts'), String(port), path.join(dir, 'orphan.log')];
    const launcher = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [printed] = (await once(launcher.stdout, 'data')) as [Buffer];
    const pid = Number(printed.toString());
    expect(isAlive(pid)).to.equal(true);
    launcher.kill('SIGKILL');
    await eventually(() => !isAlive(pid), { timeoutMs: 10_000, description: 'the end of the orphan' });
  });
});
