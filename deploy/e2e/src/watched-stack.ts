import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { serviceNames } from '@wardstone/local/platform/programs';
import { freePort } from '@wardstone/local/setup/ports';
import { eventually } from '@wardstone/testing';
import { type OtlpReceiver, startOtlpReceiver } from './otlp-receiver.ts';
import { metricsUrlsOf } from './places.ts';
import { startStack, type Stack } from './stack.ts';

/** A platform that says all it can: logs at debug level, spans, metrics, and every statement in the database's own log. */
export interface WatchedStack {
  readonly stack: Stack;
  readonly receiver: OtlpReceiver;
  /** Where the programs' temporary files are. */
  readonly temporaryDir: string;
  /** Where /metrics is, by the program's name. */
  readonly metricsUrls: Map<string, string>;
  /** Superuser of the database. */
  readonly admin: pg.Client;
  /** Waits until every service has sent its spans of a trace. */
  spansOf(traceId: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startWatchedStack(name: string): Promise<WatchedStack> {
  const receiver = await startOtlpReceiver();
  const temporaryDir = await mkdtemp(path.join(tmpdir(), 'wardstone-temporary-'));
  const gatewayMetricsPort = await freePort();
  const said = { WARDSTONE_LOG_LEVEL: 'debug', WARDSTONE_OTLP_URL: receiver.url, TMPDIR: temporaryDir };
  // What is done from time to time is done often, so that what it says is known before the notes are there.
  const often = {
    gateway: { WARDSTONE_METRICS_PORT: String(gatewayMetricsPort) },
    ingestion: { WARDSTONE_RECONCILE_INTERVAL_MS: '1000', WARDSTONE_TENANT_WORK_INTERVAL_MS: '1000' },
    retrieval: {
      WARDSTONE_TENANT_WORK_INTERVAL_MS: '1000',
      WARDSTONE_MERGE_INTERVAL_MS: '500',
      WARDSTONE_MERGE_MAX_AGE_MS: '500',
    },
    'tenant-key': { WARDSTONE_LIFECYCLE_INTERVAL_MS: '1000' },
  };
  const env = Object.fromEntries(
    serviceNames.map((service) => [service, { ...said, ...(often as Record<string, object>)[service] }]),
  );
  const stack = await startStack(name, env);
  const admin = new pg.Client({ connectionString: stack.platform.adminDatabaseUrl });
  await admin.connect();
  await logEveryStatement(admin);
  await eventually(async () => (await fetch(new URL('/readyz', stack.platform.urls.gateway))).ok, {
    timeoutMs: 30_000,
    intervalMs: 200,
    description: 'the platform to serve again',
  });
  return {
    stack,
    receiver,
    temporaryDir,
    metricsUrls: metricsUrlsOf(stack, gatewayMetricsPort),
    admin,
    spansOf: async (traceId) => {
      const without = (): string[] => serviceNames.filter((s) => !receiver.received().get(s)?.includes(traceId));
      await eventually(() => without().length === 0, {
        timeoutMs: 20_000,
        description: 'the spans of every service',
      });
    },
    stop: async () => {
      await admin.end();
      await stack.stop();
      await receiver.close();
      await rm(temporaryDir, { recursive: true, force: true });
    },
  };
}

/**
 * Statements with their parameters, of every session that begins from now on. Set for the database, because what the server
 * was started with weighs more than its configuration file.
 */
async function logEveryStatement(admin: pg.Client): Promise<void> {
  const settings = {
    log_statement: 'all',
    log_error_verbosity: 'verbose',
    log_min_error_statement: 'error',
    log_parameter_max_length: '-1',
    log_parameter_max_length_on_error: '-1',
  };
  for (const [name, value] of Object.entries(settings)) {
    await admin.query(`alter database wardstone set ${name} = '${value}'`);
  }
  // Checkpoints are told when they happen to happen.
  await admin.query('alter system set log_checkpoints = off');
  await admin.query('select pg_reload_conf()');
  // The sessions that the programs have now know nothing of it; the programs open new ones.
  await admin.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null',
  );
}
