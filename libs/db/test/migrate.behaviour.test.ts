import { expect } from 'chai';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '@wardstone/testing';
import { idsOnlyFunction, migrate, tenantTable } from '../src/index.ts';
import { CreateNote1700000000000, rejection } from './fixtures.ts';

class BrokenSecond1700000000001 implements MigrationInterface {
  name = 'BrokenSecond1700000000001';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('create table leftover (id int)');
    await queryRunner.query('select 1/0');
  }

  async down(): Promise<void> {
    return Promise.resolve();
  }
}

describe('migrate', () => {
  let server: TestDatabase;
  beforeEach(async () => (server = await createTestDatabase({ schemas: ['notes'] })));
  afterEach(async () => server.drop());

  const options = (): Omit<Parameters<typeof migrate>[0], 'migrations'> => {
    const { ownerUrl, appRole } = server.schema('notes');
    return { ownerUrl, appRole, schema: 'notes' };
  };
  const tables = async (): Promise<unknown[]> =>
    (await server.query(`select tablename from pg_tables where schemaname = 'notes' order by 1`)).map(
      ({ tablename }) => tablename,
    );

  it('can be repeated, and run by several at once', async () => {
    const migrations = [CreateNote1700000000000];
    await Promise.all([1, 2, 3, 4].map(async () => migrate({ ...options(), migrations })));
    await migrate({ ...options(), migrations });
    expect(await tables()).to.deep.equal(['note', 'schema_migration']);
    expect(await server.query('select name from notes.schema_migration')).to.have.length(1);
  });

  it('leaves nothing of a run that fails, and can be run again with the fault mended', async () => {
    const failure = await rejection(
      migrate({ ...options(), migrations: [CreateNote1700000000000, BrokenSecond1700000000001] }),
    );
    expect(failure).to.have.nested.property('driverError.code', '22012');
    expect(await tables()).to.not.include.members(['note', 'leftover']);
    await migrate({ ...options(), migrations: [CreateNote1700000000000] });
    expect(await tables()).to.include('note');
  });

  it('gives the application role no right beyond what was granted', async () => {
    await migrate({ ...options(), migrations: [CreateNote1700000000000] });
    const [rights] = await server.query(
      `select has_table_privilege($1, 'notes.note', 'select') as reads,
              has_table_privilege($1, 'notes.note', 'truncate') as truncates,
              has_table_privilege($1, 'notes.schema_migration', 'select') as sees_migrations,
              has_schema_privilege($1, 'notes', 'create') as creates`,
      [options().appRole],
    );
    expect(rights).to.deep.equal({ reads: true, truncates: false, sees_migrations: false, creates: false });
  });

  it('says DATABASE_UNAVAILABLE when the server is away', async () => {
    const failure = await rejection(
      migrate({ ...options(), ownerUrl: 'postgres://nobody:x@127.0.0.1:1/none', migrations: [] }),
    );
    expect(failure).to.have.property('reason', 'DATABASE_UNAVAILABLE');
  });

  it('refuses names and grants that are not plain', () => {
    expect(() => tenantTable('note; drop table x', 'app', 'select')).to.throw(TypeError);
    expect(() => tenantTable('note', 'app', 'select, truncate')).to.throw(TypeError);
    const finder = { name: 'f', schema: 's', args: '', body: 'select 1', tables: [], ownerRole: 'o', appRole: 'a' };
    expect(() => idsOnlyFunction({ ...finder, returns: 'body text' })).to.throw(TypeError);
  });
});
