import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { migrateQueue } from '@wardstone/queue';
import { readText, writeFileAtomically } from '../setup/files.ts';
import { runCommand } from '../setup/run-command.ts';
import type { DatabaseUrls } from './databases.ts';
import { repositoryDir } from './layout.ts';
import { servicesWithDatabase, sourceDirOf } from './programs.ts';

const timeoutMs = 120_000;

export interface MigrationOptions {
  readonly databases: DatabaseUrls;
  readonly queueOnPostgres: boolean;
  /** Remembers what was migrated, so that a start with nothing new does not wait for it. */
  readonly markFile: string;
}

/** Brings every schema up to date, each with its owner's role and in a process of the service's own. */
export async function runMigrations(options: MigrationOptions): Promise<void> {
  const mark = await digestOf(options);
  if ((await readText(options.markFile)) === mark) return;
  await Promise.all([
    ...(options.queueOnPostgres ? [migrateQueue(options.databases.queue)] : []),
    ...servicesWithDatabase.map(async ({ name, schema }) =>
      runCommand(process.execPath, [path.join(sourceDirOf(name), 'migrate.ts')], {
        cwd: sourceDirOf(name),
        env: { PATH: process.env['PATH'], WARDSTONE_MIGRATION_DATABASE_URL: options.databases.owner(schema) },
        timeoutMs,
      }),
    ),
  ]);
  await writeFileAtomically(options.markFile, mark);
}

/** Changes with any file that a migration may be made of. */
async function digestOf({ databases, queueOnPostgres }: MigrationOptions): Promise<string> {
  const hash = createHash('sha256').update(`${databases.identity} ${queueOnPostgres}`);
  const folders = servicesWithDatabase.map(({ name }) => sourceDirOf(name));
  folders.push(path.join(repositoryDir, 'libs/db/src'));
  folders.push(path.join(repositoryDir, 'libs/queue/src'));
  for (const folder of folders) {
    const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
    for (const file of files) hash.update(file).update(await readFile(path.join(folder, file)));
  }
  hash.update(await readFile(path.join(repositoryDir, 'pnpm-lock.yaml')));
  return hash.digest('hex');
}
