// First container to run: makes the passwords that Postgres and Valkey start with. Nothing is overwritten.
import { chmod, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { keptSecret, writeFileAtomically } from '../setup/files.ts';

const root = process.argv[2];
if (root === undefined) throw new Error('usage: secrets.ts SECRETS_FOLDER');

for (const name of ['postgres', 'valkey']) await mkdir(path.join(root, name), { recursive: true });
// Each file stands in a volume that only its server and the set-up mount; the servers run as users of their own.
const postgres = path.join(root, 'postgres/password');
await keptSecret(postgres);
await chmod(postgres, 0o644);

const password = await keptSecret(path.join(root, 'valkey/password'));
const config = [
  'bind * -::*',
  'protected-mode yes',
  'appendonly yes',
  'maxmemory-policy noeviction',
  `requirepass ${password}`,
];
await writeFileAtomically(path.join(root, 'valkey/valkey.conf'), `${config.join('\n')}\n`, 0o644);
await chmod(path.join(root, 'valkey/password'), 0o644);
