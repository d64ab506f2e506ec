import { expect } from 'chai';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { postgresCacheDir } from '../src/platform/layout.ts';
import { ensureDatabases, schemas } from '../src/platform/databases.ts';
import { startPostgres, type RunningPostgres } from '../src/postgres/start.ts';

describe('the embedded Postgres', function () {
  // The first run of all compiles pgvector.
  this.timeout(240_000);
  let dir: string;
  let server: RunningPostgres | undefined;

  const start = async (): Promise<RunningPostgres> => {
    server = await startPostgres({
      cacheDir: postgresCacheDir(process.env),
      dir: path.join(dir, 'postgres'),
      progress: () => undefined,
    });
    return server;
  };
  const query = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const failureOf = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'nothing failed',
      (error: unknown) => String(error),
    );

  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'wardstone-postgres-'));
  });
  afterEach(async () => server?.stop());
  after(async () => rm(dir, { recursive: true }));

  it('has pgvector, syncs to disk, and asks for the password that only its owner can read', async () => {
    const { adminUrl } = await start();
    await query(adminUrl, 'create extension if not exists vector');
    const [row] = await query(adminUrl, `select '[1,0]'::halfvec(2) <=> '[0,1]'::halfvec(2) as distance`);
    expect(row?.['distance']).to.equal(1);
    expect(await query(adminUrl, 'show fsync')).to.deep.equal([{ fsync: 'on' }]);
    const password = path.join(dir, 'postgres/superuser-password');
    expect((await stat(password)).mode & 0o777).to.equal(0o600);
    const wrong = adminUrl.replace(encodeURIComponent((await readFile(password, 'utf8')).trim()), 'wrong');
    expect(await failureOf(query(wrong, 'select 1'))).to.contain('password authentication failed');
  });

  it('keeps its data over a kill -9, and its port', async () => {
    const first = await start();
    await query(first.adminUrl, 'create table kept as select 42 as answer');
    first.kill('SIGKILL');
    expect(await first.exited).to.equal('was ended by SIGKILL');
    const second = await start();
    expect(second.adminUrl).to.equal(first.adminUrl);
    expect(await query(second.adminUrl, 'select answer from kept')).to.deep.equal([{ answer: 42 }]);
  });

  it('gives each service a role that owns nothing and sees no other schema', async () => {
    const { adminUrl } = await start();
    const file = path.join(dir, 'databases.json');
    const urls = await ensureDatabases(adminUrl, file);
    expect((await ensureDatabases(adminUrl, file)).identity).to.equal(urls.identity);
    expect((await stat(file)).mode & 0o777).to.equal(0o600);
    for (const schema of schemas) {
      await query(urls.owner(schema), `create table ${schema}.probe (id int)`);
      const [role] = await query(
        urls.app(schema),
        'select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user',
      );
      expect(Object.values(role ?? {})).to.deep.equal([false, false, false, false]);
      expect(await failureOf(query(urls.app(schema), `select * from ${schema}.probe`))).to.contain('permission denied');
      expect(await failureOf(query(urls.app(schema), 'create table public.mine (id int)'))).to.contain(
        'permission denied',
      );
      const foreign = schemas.find((other) => other !== schema) ?? schema;
      expect(await failureOf(query(urls.owner(schema), `select * from ${foreign}.probe`))).to.contain(
        'permission denied',
      );
    }
  });
});
