import { createTestDatabase, type TestDatabase } from '@wardstone/testing';
import { EntitySchema, type MigrationInterface, type QueryRunner } from 'typeorm';
import {
  idsOnlyFunction,
  migrate,
  migrationRoles,
  openDatabase,
  tenantTable,
  type Database,
  type DatabaseOptions,
} from '../src/index.ts';

export const tenantA = '0192f0c1-2d3e-7a4b-8c5d-6e7f8a9b0c1d';
export const tenantB = '0192f0c1-2d3e-7a4b-8c5d-6e7f8a9b0c2e';

export interface Note {
  id: string;
  tenantId: string;
  body: string;
}

export const NoteEntity = new EntitySchema<Note>({
  name: 'Note',
  tableName: 'note',
  columns: {
    id: { type: 'uuid', primary: true },
    tenantId: { type: 'uuid', name: 'tenant_id' },
    body: { type: 'text' },
  },
});

export class CreateNote1700000000000 implements MigrationInterface {
  name = 'CreateNote1700000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { app, owner } = await migrationRoles(queryRunner);
    await queryRunner.query('create table note (id uuid primary key, tenant_id uuid not null, body text not null)');
    for (const sql of tenantTable('note', app, 'select, insert, update, delete')) await queryRunner.query(sql);
    const finder = idsOnlyFunction({
      name: 'all_notes',
      schema: 'notes',
      args: 'max_rows int',
      returns: 'tenant_id uuid, note_id uuid',
      body: 'select tenant_id, id from note order by id limit max_rows',
      tables: ['note'],
      ownerRole: owner,
      appRole: app,
    });
    for (const sql of finder) await queryRunner.query(sql);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('drop table note cascade');
  }
}

export interface Fixture {
  readonly server: TestDatabase;
  open(options?: Partial<DatabaseOptions>): Promise<Database>;
  drop(): Promise<void>;
}

/** A migrated database with one tenant table, and the databases opened on it closed at the end. */
export async function createFixture(): Promise<Fixture> {
  const server = await createTestDatabase({ schemas: ['notes'] });
  const { ownerUrl, appUrl, appRole } = server.schema('notes');
  await migrate({ ownerUrl, schema: 'notes', appRole, migrations: [CreateNote1700000000000] });
  const opened: Database[] = [];
  return {
    server,
    open: async (options = {}) => {
      const database = await openDatabase({
        url: appUrl,
        schema: 'notes',
        entities: [NoteEntity],
        applicationName: 'db-test',
        ...options,
      });
      opened.push(database);
      return database;
    },
    drop: async () => {
      for (const database of opened) await database.close();
      await server.drop();
    },
  };
}

/** What a promise was rejected with; an error of its own when it was not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a rejection');
}
