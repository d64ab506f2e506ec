import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { postgresCacheDir, repositoryDir } from '@wardstone/local/platform/layout';
import { removeForeignDir } from '@wardstone/local/postgres/run-as';
import { eventually } from '@wardstone/testing';
import { processesNaming, processTree, stillRunning } from '../src/processes.ts';

const stateDir = path.join(repositoryDir, '.wardstone/test/e2e/commands');

/** The environment of a terminal: nothing of this test run's own but the state folder. */
function terminal(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(WARDSTONE|npm|LAUNCHER)_/i.test(name));
  return { ...Object.fromEntries(inherited), WARDSTONE_STATE_DIR: stateDir };
}

interface Command {
  readonly child: ChildProcess;
  /** What it printed so far, errors included. */
  printed(): string;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

/** A command as it is typed in a terminal: a process group of its own, which Ctrl-C reaches as a whole. */
function type(...args: readonly string[]): Command {
  const options = { cwd: repositoryDir, env: terminal(), detached: true } as const;
  const child = spawn('npm', args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (printed += text));
  }
  const ended = once(child, 'close').then(([code, signal]: unknown[]) => (code ?? signal) as number | string);
  return { child, printed: () => printed, ended };
}

/** Runs lines in a shell, in the repository; gives what they print. */
async function shell(script: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-ec', script], { cwd: repositoryDir, env: terminal() });
  return stdout;
}

describe('the commands of the README, as they are typed', function () {
  this.timeout(300_000);
  const typed: Command[] = [];

  before(async () => {
    await cleanUp();
    await mkdir(stateDir, { recursive: true });
    // The server's programs are compiled once for a clone; this folder is to have everything else of its own.
    await symlink(postgresCacheDir(process.env), path.join(stateDir, 'postgres-server'));
  });
  after(async () => {
    for (const { child, ended } of typed) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await ended;
    }
    await cleanUp();
  });

  async function cleanUp(): Promise<void> {
    await removeForeignDir(path.join(stateDir, 'postgres'));
    await rm(stateDir, { recursive: true, force: true });
  }

  async function nothingIsLeft(): Promise<void> {
    await eventually(async () => (await processesNaming(stateDir)).length === 0, {
      timeoutMs: 30_000,
      description: 'every process of the platform to be gone',
    });
  }

  it('npm run demo: cited answers, nothing for another tenant, exit 0, and no process left', async () => {
    const demo = type('run', 'demo');
    typed.push(demo);
    expect(await demo.ended, demo.printed()).to.equal(0);
    const printed = demo.printed();
    // Every question but the last, which no document answers, has an answer with a page and a quote.
    const [answered = '', unanswered = ''] = printed.split('A question that the documents do not answer');
    const questions = answered.split('  Q: ').slice(1);
    expect(questions.length).to.be.greaterThan(2);
    for (const question of questions) expect(question).to.match(/\n {5}\[\d+\] .+, pages? \d+.*: “.+”/);
    expect(unanswered.split('The same, asked by')[0]).not.to.contain('“');
    expect(printed).to.contain('lists 0 of our documents');
    expect(printed).to.contain('asks for one by its id: 404 DOCUMENT_NOT_FOUND');
    expect(printed).to.match(/asks the first question: \w+, 0 citations/);
    await nothingIsLeft();
  });

  it('npm start: its lines work as pasted, tokens can be had, and Ctrl-C leaves no process', async () => {
    const start = type('start');
    typed.push(start);
    const printed = await eventually(
      () => {
        if (start.child.exitCode !== null) throw new Error(start.printed());
        return /Wardstone is running[^]*\/v1\/answers.*\n/.test(start.printed()) && start.printed();
      },
      { timeoutMs: 180_000, description: 'the platform to say that it runs' },
    );
    const all = await processTree(start.child.pid ?? 0);
    expect((await processesNaming(stateDir)).length).to.be.greaterThan(8);

    const lines = printed.split('\n');
    const exports = lines.filter((line) => line.startsWith('export ')).join('\n');
    const [upload = '', ask = ''] = lines.filter((line) => line.startsWith('curl '));
    expect(JSON.parse(await shell(`${exports}\n${upload}`))).to.include({ title: 'A note' });
    const answer = await eventually(
      async () => {
        const { citations } = JSON.parse(await shell(`${exports}\n${ask}`)) as { citations: { quote: string }[] };
        return citations[0]?.quote;
      },
      { timeoutMs: 60_000, intervalMs: 500, description: 'the note to be cited' },
    );
    expect(answer).to.contain('every second day');

    const me = `curl -sS -H "Authorization: Bearer $TOKEN" "$GATEWAY/v1/me"`;
    const tokenOf = (name: string): string => `TOKEN=$(npm run --silent token -- ${name})`;
    const auditor: unknown = JSON.parse(await shell(`${exports}\n${tokenOf('lakeside-auditor')}\n${me}`));
    expect(auditor).to.deep.include({ roles: ['auditor'] });
    const nobody = await shell(tokenOf('nobody')).catch((error: { stderr?: string }) => error.stderr);
    expect(nobody).to.contain('north-clinician').and.to.contain('team-lakeside');

    const retrieval = /gRPC retrieval +(\S+)/.exec(printed)?.[1] ?? '';
    const hits = await shell(`RETRIEVAL=${retrieval}
${tokenOf('team-north')}
PATH=node_modules/.bin:$PATH
${await grpcExample('buf curl')}`);
    expect(hits).to.contain('every second day');

    process.kill(-(start.child.pid ?? 0), 'SIGINT');
    await start.ended;
    expect(start.printed()).to.contain('[wardstone] stopped');
    await eventually(async () => (await stillRunning(all)).length === 0, {
      timeoutMs: 30_000,
      description: 'every process that npm start had started to be gone',
    });
    await nothingIsLeft();
    const late = await shell(tokenOf('north-clinician')).catch((error: { stderr?: string }) => error.stderr);
    expect(late).to.contain('Start it with npm start');
  });
});

/** The example of a command in the README, as it stands there. */
async function grpcExample(command: string): Promise<string> {
  const readme = await shell('cat README.md');
  const example = new RegExp(`^${command}(?:.*\\\\\\n)*.*$`, 'm').exec(readme)?.[0];
  if (example === undefined) throw new Error(`README.md has no example of ${command}`);
  return example;
}
