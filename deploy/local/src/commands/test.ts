// npm test: everything, on embedded dependencies of its own, so that development data is untouched.
import { existsSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { mochaArguments, runMocha } from '../checks/mocha.ts';
import { startTestRedis } from '../checks/redis.ts';
import { defaultStateDir, layoutOf, postgresCacheDir, repositoryDir } from '../platform/layout.ts';
import { takeLock } from '../platform/lock.ts';
import { openPostgres, useRunningPostgres } from '../postgres/start.ts';
import { runCommandLine } from './run-command-line.ts';

const progress = (line: string): void => {
  console.error(line);
};

await runCommandLine(async (stop) => {
  const { env } = process;
  const layout = layoutOf(path.join(defaultStateDir(env), 'test'));
  const releaseLock = await takeLock(layout.lockFile);
  const ends: (() => Promise<void>)[] = [releaseLock];
  try {
    const given = env['WARDSTONE_TEST_DATABASE_URL'] ?? '';
    const options = { cacheDir: postgresCacheDir(env), dir: layout.postgresDir, progress, durable: false };
    const postgres = given === '' ? await openPostgres(options, env) : await useRunningPostgres(given);
    ends.unshift(async () => postgres.stop());
    if (postgres.pid !== undefined) await dropLeftovers(postgres.adminUrl);

    const redisRequired = (env['WARDSTONE_TEST_REQUIRE_REDIS'] ?? '') !== '';
    const redis =
      (env['WARDSTONE_TEST_REDIS_URL'] ?? '') === ''
        ? await startTestRedis(path.join(layout.stateDir, 'redis'), redisRequired)
        : undefined;
    if (redis !== undefined) ends.unshift(async () => redis.stop());
    const redisUrl = redis?.url ?? env['WARDSTONE_TEST_REDIS_URL'];
    progress(
      redisUrl === undefined ? 'Redis: no redis-server here; the queue is tested on Postgres alone' : 'Redis: ready',
    );

    const hasAws = (env['WARDSTONE_TEST_AWS_ENDPOINT'] ?? '') !== '';
    progress(
      hasAws
        ? 'AWS: the server of WARDSTONE_TEST_AWS_ENDPOINT'
        : 'AWS: WARDSTONE_TEST_AWS_ENDPOINT names no S3 and KMS server; the suites that need one are pending (.ci/aws-server starts one)',
    );

    const { WARDSTONE_DATABASE_URL: _database, WARDSTONE_REDIS_URL: _redis, ...rest } = env;
    return await runMocha({
      cwd: repositoryDir,
      args: [
        // Nothing else may be pending, which the linter holds too: what is left out must not look like what passed.
        ...(hasAws ? ['--forbid-pending'] : []),
        ...mochaArguments(process.argv.slice(2), (file) => existsSync(path.join(repositoryDir, file))),
      ],
      env: {
        ...rest,
        WARDSTONE_TEST_DATABASE_URL: postgres.adminUrl,
        ...(redisUrl === undefined ? {} : { WARDSTONE_TEST_REDIS_URL: redisUrl }),
      },
      countsFile: env['TEST_COUNTS_FILE'] ?? path.join(layout.stateDir, 'counts.json'),
      stop,
    });
  } finally {
    for (const end of ends) await end();
  }
});

/** A run that was killed could not drop its databases. The lock says that no other run is using them. */
async function dropLeftovers(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ datname: string }>(
      `select datname from pg_database where datname like 'wardstone\\_test\\_%'`,
    );
    for (const { datname } of rows) await client.query(`drop database ${pg.escapeIdentifier(datname)} with (force)`);
    const roles = await client.query<{ rolname: string }>(
      `select rolname from pg_roles where rolname ~ '^wardstone_.*_[0-9a-f]{10}$'`,
    );
    for (const { rolname } of roles.rows) await client.query(`drop role ${pg.escapeIdentifier(rolname)}`);
  } finally {
    await client.end();
  }
}
