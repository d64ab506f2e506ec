import { expect } from 'chai';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { environmentOf, programNames, type Surroundings } from '../src/platform/programs.ts';
import { layoutOf } from '../src/platform/layout.ts';
import { livingHolder, takeLock } from '../src/platform/lock.ts';
import { ensureServiceKeys, serviceJwksFile, serviceKeyFile } from '../src/platform/service-keys.ts';
import { mochaArguments } from '../src/checks/mocha.ts';
import { keptSecret, readJson, readText } from '../src/setup/files.ts';
import { keptPorts } from '../src/setup/ports.ts';
import { UsageError } from '../src/setup/setup-error.ts';

describe('the state folder', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'wardstone-state-'));
  });
  afterEach(async () => rm(dir, { recursive: true }));

  it('belongs to one start at a time, and says who has it', async () => {
    const file = path.join(dir, 'lock');
    const release = await takeLock(file);
    const second = await takeLock(file).catch((error: unknown) => error);
    expect(second).to.be.instanceOf(UsageError);
    expect(String(second)).to.contain(`process ${process.pid}`).and.contain('WARDSTONE_STATE_DIR');
    await release();
    expect(await readText(file)).to.equal(undefined);
    await (
      await takeLock(file)
    )();
    expect(await readdir(dir)).to.deep.equal([]);
  });

  it('is free when its holder is gone, also when the number belongs to another process now', async () => {
    const file = path.join(dir, 'lock');
    for (const left of ['999999999 1', `${process.pid} 1`, 'rubbish', '']) {
      await writeFile(file, left);
      expect(await livingHolder(file)).to.equal(undefined);
      await (
        await takeLock(file)
      )();
    }
  });

  it('lets one of many simultaneous starts have it', async () => {
    const file = path.join(dir, 'lock');
    await writeFile(file, '999999999 1');
    const results = await Promise.allSettled(Array.from({ length: 8 }, async () => takeLock(file)));
    expect(results.filter((result) => result.status === 'fulfilled')).to.have.length(1);
  });

  it('keeps ports between runs, and takes others for those that are taken', async () => {
    const file = path.join(dir, 'ports.json');
    const first = await keptPorts(file, ['one', 'two']);
    expect(await keptPorts(file, ['one', 'two'])).to.deep.equal(first);
    const squatter = createServer().listen(first.one, '127.0.0.1');
    try {
      const second = await keptPorts(file, ['one', 'two']);
      expect(second.one).not.to.equal(first.one);
      expect(second.two).to.equal(first.two);
    } finally {
      await new Promise((resolve) => squatter.close(resolve));
    }
  });

  it('keeps secrets where only their owner reads them', async () => {
    const file = path.join(dir, 'secret');
    const secret = await keptSecret(file);
    expect(secret).to.have.length(32);
    expect(await keptSecret(file)).to.equal(secret);
    expect((await stat(file)).mode & 0o777).to.equal(0o600);
  });

  it('keeps a key for each service, private ones apart from the public set', async () => {
    await ensureServiceKeys(dir, ['llm', 'audit']);
    const set = (await readJson(serviceJwksFile(dir))) as { keys: Record<string, string>[] };
    expect(set.keys.map((key) => key['kid'])).to.deep.equal(['llm', 'audit']);
    expect(set.keys.some((key) => 'd' in key)).to.equal(false);
    expect((await stat(serviceKeyFile(dir, 'llm'))).mode & 0o777).to.equal(0o600);
    const before = await readText(serviceKeyFile(dir, 'llm'));
    await ensureServiceKeys(dir, ['llm', 'audit']);
    expect(await readText(serviceKeyFile(dir, 'llm'))).to.equal(before);
  });
});

describe("the programs' environments", () => {
  const ports = Object.fromEntries(programNames.map((name, at) => [name, 9000 + at])) as Surroundings['ports'];
  const given: Surroundings = {
    layout: layoutOf('/state'),
    ports,
    databases: {
      owner: (schema) => `owner:${schema}`,
      app: (schema) => `app:${schema}`,
      queue: 'queue',
      identity: 'x',
    },
    redisUrl: undefined,
    passedOn: { TZ: 'UTC' },
  };

  it('give each service its own database and key, and nobody the owners of the schemas', () => {
    for (const name of programNames) {
      const env = environmentOf(name, given);
      const text = JSON.stringify(env);
      expect(text).not.to.contain('owner:');
      const own = name.replace('-', '_');
      for (const schema of ['ingestion', 'retrieval', 'llm', 'audit', 'tenant_key']) {
        if (schema !== own) expect(text).not.to.contain(`app:${schema}`);
      }
      if (name !== 'sign-in') expect(env['WARDSTONE_SERVICE_KEY_FILE']).to.equal(`/state/keys/${name}.jwk`);
    }
  });

  it('give the key store to tenant-key and the objects to the stages alone', () => {
    const withVariable = (variable: string): string[] =>
      programNames.filter((name) => variable in environmentOf(name, given));
    expect(withVariable('WARDSTONE_KMS_DIR')).to.deep.equal(['tenant-key']);
    expect(withVariable('WARDSTONE_OBJECTS_DIR')).to.deep.equal(['embedding', 'ingestion', 'retrieval']);
    expect(withVariable('WARDSTONE_QUEUE_DATABASE_URL')).to.deep.equal(['embedding', 'ingestion', 'retrieval']);
  });

  it('put the queue on Redis when it is given', () => {
    const env = environmentOf('embedding', { ...given, redisUrl: 'redis://127.0.0.1:1' });
    expect(env['WARDSTONE_REDIS_URL']).to.equal('redis://127.0.0.1:1');
    expect(env).not.to.have.property('WARDSTONE_QUEUE_DATABASE_URL');
  });
});

describe('the arguments of npm test', () => {
  const exists = (file: string): boolean => ['libs/rpc', 'libs/rpc/', 'libs/a/test/b.test.ts'].includes(file);

  it('are files and folders to run, or options of mocha', () => {
    expect(mochaArguments(['libs/rpc/'], exists)).to.include('libs/rpc/**/*.test.ts');
    expect(mochaArguments(['libs/a/test/b.test.ts', '--grep', 'a/b'], exists).slice(2)).to.deep.equal([
      '--grep',
      'a/b',
      'libs/a/test/b.test.ts',
    ]);
    expect(mochaArguments([], exists)).to.include('gateway/test/**/*.test.ts');
  });
});
