// Second container to run, when Postgres answers: roles, schemas, migrations, service keys, accounts; and to each
// program's own volume the secrets that it needs and no others. Safe to repeat.
import { chmod, chown, cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { ensureDatabases, type DatabaseUrls } from '../platform/databases.ts';
import { runMigrations } from '../platform/migrations.ts';
import { needs, serviceNames } from '../platform/programs.ts';
import { ensureServiceKeys, serviceJwksFile, serviceKeyFile } from '../platform/service-keys.ts';
import { readText, writeFileAtomically } from '../setup/files.ts';
import { ensureAccounts } from '../sign-in/accounts.ts';

const [root, dataRoot] = process.argv.slice(2);
if (root === undefined || dataRoot === undefined) throw new Error('usage: prepare.ts SECRETS_FOLDER DATA_FOLDER');

/** The user `node` of the images. */
const uid = 1000;

async function give(file: string): Promise<void> {
  await chmod(file, 0o400);
  await chown(file, uid, uid);
}

async function giveSecret(file: string, content: string): Promise<void> {
  await writeFileAtomically(file, `${content}\n`);
  await give(file);
}

async function fillVolume(
  name: (typeof serviceNames)[number],
  databases: DatabaseUrls,
  redisUrl: string,
): Promise<void> {
  const dir = path.join(String(root), name);
  await mkdir(dir, { recursive: true });
  const { schema, queue } = needs[name];
  const keys = path.join(String(root), 'keys');
  for (const file of [serviceKeyFile(keys, name), serviceJwksFile(keys)]) {
    const target = path.join(dir, path.basename(file));
    await cp(file, target, { force: true });
    await give(target);
  }
  if (schema !== undefined) await giveSecret(path.join(dir, 'database-url'), databases.app(schema));
  if (queue === true) await giveSecret(path.join(dir, 'redis-url'), redisUrl);
}

const secretOf = async (file: string): Promise<string> => ((await readText(path.join(root, file))) ?? '').trim();
const adminUrl = `postgres://postgres:${await secretOf('postgres/password')}@postgres:5432/postgres`;
const redisUrl = `redis://:${await secretOf('valkey/password')}@valkey:6379`;

const databases = await ensureDatabases(adminUrl, path.join(root, 'keys/databases.json'));
await ensureServiceKeys(path.join(root, 'keys'), serviceNames);
await runMigrations({ databases, queueOnPostgres: false, markFile: path.join(root, 'keys/migrated') });
for (const name of serviceNames) await fillVolume(name, databases, redisUrl);

const signInDir = path.join(root, 'sign-in');
await ensureAccounts(signInDir);
for (const dir of [signInDir, path.join(signInDir, 'accounts.json')]) await chown(dir, uid, uid);
for (const name of ['objects', 'kms']) {
  const dir = path.join(dataRoot, name);
  await mkdir(dir, { recursive: true });
  await chown(dir, uid, uid);
}
