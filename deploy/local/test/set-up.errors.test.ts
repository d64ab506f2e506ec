import { expect } from 'chai';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { installPgvector } from '../src/postgres/pgvector.ts';
import { createPrivateApt } from '../src/postgres/private-apt.ts';
import { useRunningPostgres } from '../src/postgres/start.ts';
import { SetupError } from '../src/setup/setup-error.ts';
import { freePort } from '../src/setup/ports.ts';
import { startTestRedis } from '../src/checks/redis.ts';

async function failureOf(work: Promise<unknown>): Promise<SetupError> {
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).to.be.instanceOf(SetupError);
  return error as SetupError;
}

/** Runs `work` with some variables of the environment changed. */
async function withEnv<T>(changes: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const before = { ...process.env };
  Object.assign(process.env, changes);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(changes)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}

describe('the set-up, where something is missing', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'wardstone-set-up-'));
  });
  after(async () => rm(dir, { recursive: true }));

  const expectWaysOut = (error: SetupError): void => {
    expect(error.message).to.contain('docker compose up');
    expect(error.message).to.contain('WARDSTONE_DATABASE_URL');
    expect(error.message).to.contain('WARDSTONE_REDIS_URL');
  };

  it('says that there is no compiler, how to get one, and the two ways out', async () => {
    const error = await withEnv({ PATH: '/nonexistent' }, async () =>
      failureOf(installPgvector({ serverDir: dir, workDir: path.join(dir, 'build'), progress: () => undefined })),
    );
    expect(error.message).to.match(/^No C compiler was found/);
    expect(error.message).to.contain('apt-get install gcc');
    expectWaysOut(error);
    expect(await readdir(dir)).to.deep.equal([]);
  });

  it('says that there is neither apt-get nor the headers', async () => {
    const error = await withEnv({ PATH: '/nonexistent' }, async () =>
      failureOf(createPrivateApt(path.join(dir, 'no-apt'), () => undefined)),
    );
    expect(error.message).to.contain('without apt-get');
    expectWaysOut(error);
  });

  it('says that the Debian archive is out of reach', async function () {
    this.timeout(60_000);
    const closed = `http://127.0.0.1:${await freePort()}`;
    const error = await withEnv({ http_proxy: closed }, async () =>
      failureOf(createPrivateApt(path.join(dir, 'apt'), () => undefined)),
    );
    expect(error.message).to.contain('deb.debian.org');
    expect(error.message).to.contain('Is there a network?');
    expectWaysOut(error);
  });

  it('says that the server of WARDSTONE_DATABASE_URL does not answer, without its password', async () => {
    const port = await freePort();
    const error = await failureOf(useRunningPostgres(`postgres://postgres:very-secret@127.0.0.1:${port}/postgres`));
    expect(error.message).to.contain('does not answer');
    expect(error.message).not.to.contain('very-secret');
    expectWaysOut(error);
  });

  it('goes on without Redis where none is installed, unless it is required', async () => {
    await withEnv({ PATH: '/nonexistent' }, async () => {
      expect(await startTestRedis(dir, false)).to.equal(undefined);
      const error = await failureOf(startTestRedis(dir, true));
      expect(error.message).to.contain('apt-get install redis-server');
    });
  });
});
