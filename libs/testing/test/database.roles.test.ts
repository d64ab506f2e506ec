import { expect } from 'chai';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../src/index.ts';

describe('createTestDatabase', () => {
  let database: TestDatabase;
  before(async () => (database = await createTestDatabase({ schemas: ['audit', 'ingestion'] })));
  after(async () => database.drop());

  async function as(url: string, sql: string): Promise<unknown[]> {
    const client = new pg.Client(url);
    await client.connect();
    try {
      const { rows } = await client.query<Record<string, unknown>>(sql);
      return rows;
    } finally {
      await client.end();
    }
  }

  it('lets the owner make tables in its own schema, and the application role not', async () => {
    const audit = database.schema('audit');
    await as(audit.ownerUrl, 'create table audit.t (id int)');
    const refused = await as(audit.appUrl, 'create table audit.u (id int)').catch((error: unknown) => error);
    expect(refused).to.have.property('code', '42501');
  });

  it('keeps the schemas of two services apart', async () => {
    const refused = await as(database.schema('ingestion').ownerUrl, 'select * from audit.t').catch(
      (error: unknown) => error,
    );
    expect(refused).to.have.property('code', '42501');
  });

  it('gives no role a privilege that passes by row-level security', async () => {
    const roles = await database.query(
      `select rolname from pg_roles where (rolsuper or rolbypassrls or rolcreaterole) and rolname like '%' || $1`,
      [database.name.slice(-10)],
    );
    expect(roles).to.deep.equal([]);
  });

  it('says what is missing when no server is given', async () => {
    const url = process.env['WARDSTONE_TEST_DATABASE_URL'];
    delete process.env['WARDSTONE_TEST_DATABASE_URL'];
    try {
      const failure = await createTestDatabase({ schemas: [] }).catch((error: unknown) => error);
      expect(failure).to.match(/WARDSTONE_TEST_DATABASE_URL is not set/);
    } finally {
      process.env['WARDSTONE_TEST_DATABASE_URL'] = url;
    }
  });

  it('leaves neither database nor roles behind', async () => {
    const other = await createTestDatabase({ schemas: ['audit'] });
    await other.drop();
    const left = await database.query(
      `select datname from pg_database where datname = $1 union all select rolname from pg_roles where rolname like '%' || $2`,
      [other.name, other.name.slice(-10)],
    );
    expect(left).to.deep.equal([]);
  });
});
