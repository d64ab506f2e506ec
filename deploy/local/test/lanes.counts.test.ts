import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { repositoryDir } from '../src/platform/layout.ts';
import { readJson } from '../src/setup/files.ts';

const script = fileURLToPath(new URL('fixtures/run-lanes.ts', import.meta.url));

describe('lanes of tests', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'wardstone-lanes-'));
    const reporter = JSON.stringify(path.join(repositoryDir, 'deploy/local/src/checks/reporter.mjs'));
    await writeFile(path.join(dir, '.mocharc.json'), `{ "reporter": ${reporter} }`);
    await writeFile(path.join(dir, 'good.mjs'), "it('passes', () => {});\nit('passes too', () => {});\n");
    await writeFile(
      path.join(dir, 'bad.mjs'),
      "it('passes as well', () => {});\nit('fails', () => { throw new Error('so'); });\n",
    );
    await writeFile(path.join(dir, 'broken.mjs'), 'throw new Error("does not load");\n');
  });
  after(() => rm(dir, { recursive: true }));

  it('are counted together, and each is heard', async () => {
    const { code, stdout } = await run('good.mjs', 'good.mjs');
    expect(code).to.equal(0);
    expect(stdout.match(/passes too/g)).to.have.length(2);
    expect(await counts()).to.deep.equal({ passed: 4, failed: 0, pending: 0 });
  });

  it('fail with any of them, whichever it is', async () => {
    for (const files of [
      ['good.mjs', 'bad.mjs'],
      ['bad.mjs', 'good.mjs'],
    ]) {
      const { code, stdout } = await run(...files);
      expect(code).to.equal(1);
      expect(stdout).to.contain('1) fails').and.contain('Together: 3 passing, 1 failing');
      expect(await counts()).to.deep.equal({ passed: 3, failed: 1, pending: 0 });
    }
  });

  it('have no counts when one of them did not come to its end', async () => {
    const { code } = await run('good.mjs', 'broken.mjs');
    expect(code).to.be.greaterThan(0);
    expect(await counts()).to.equal(undefined);
  });

  const counts = () => readJson(path.join(dir, 'counts.json'));

  async function run(...files: string[]): Promise<{ code: number; stdout: string }> {
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [script, dir, ...files], { cwd: repositoryDir });
      return { code: 0, stdout };
    } catch (error) {
      const { code, stdout } = error as { code: number; stdout: string };
      return { code, stdout };
    }
  }
});
