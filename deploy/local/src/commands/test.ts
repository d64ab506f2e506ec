// `npm test [-- mocha's arguments]`: every test, on an embedded Postgres of its own, and on Redis where there is one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { defaultStateDir, postgresCacheDir, repositoryDir } from '../platform/layout.ts';
import { openPostgres } from '../postgres/start.ts';
import { SetupError, UsageError } from '../setup/setup-error.ts';
import { startRedis } from '../test-run/redis.ts';

const print = (line: string): void => console.error(line);

async function runTests(args: readonly string[]): Promise<number> {
  const dir = path.join(defaultStateDir(process.env), 'test');
  const postgres = await openPostgres(
    { cacheDir: postgresCacheDir(process.env), dir: path.join(dir, 'postgres'), progress: print },
    process.env,
  );
  const redis = await startRedis(path.join(dir, 'redis'));
  if (redis === undefined) print('redis-server is not on this machine: the queue is tested on Postgres alone.');
  try {
    const { WARDSTONE_DATABASE_URL: _admin, WARDSTONE_REDIS_URL: _redis, ...env } = process.env;
    const mocha = path.join(repositoryDir, 'node_modules/mocha/bin/mocha.js');
    const reporter = path.join(import.meta.dirname, '../test-run/reporter.ts');
    const child = spawn(process.execPath, [mocha, '--reporter', reporter, ...args], {
      cwd: repositoryDir,
      stdio: 'inherit',
      env: {
        ...env,
        WARDSTONE_TEST_DATABASE_URL: postgres.adminUrl,
        ...(redis === undefined ? {} : { WARDSTONE_TEST_REDIS_URL: redis.url }),
      },
    });
    const stop = (): void => void child.kill('SIGTERM');
    process.once('SIGTERM', stop);
    process.on('SIGINT', () => undefined);
    const [code] = (await once(child, 'exit')) as [number | null];
    process.off('SIGTERM', stop);
    return code ?? 1;
  } finally {
    await redis?.stop();
    await postgres.stop();
  }
}

try {
  process.exitCode = await runTests(process.argv.slice(2));
} catch (error) {
  print(error instanceof SetupError || error instanceof UsageError ? error.message : String(error));
  process.exitCode = 1;
}
