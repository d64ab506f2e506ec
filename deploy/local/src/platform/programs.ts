import path from 'node:path';
import type { DatabaseUrls, Schema } from './databases.ts';
import { repositoryDir, type Layout } from './layout.ts';
import { serviceJwksFile, serviceKeyFile } from './service-keys.ts';

/** The programs of the platform in the order in which they are started; they are stopped in the opposite order. */
export const programNames = [
  'sign-in',
  'audit',
  'tenant-key',
  'embedding',
  'ingestion',
  'retrieval',
  'llm',
  'gateway',
] as const;
export type ProgramName = (typeof programNames)[number];

/** The programs that have a key of their own to sign calls with. */
export const serviceNames = programNames.filter((name) => name !== 'sign-in');

/** What every program's environment is made of. */
export interface Surroundings {
  readonly layout: Layout;
  readonly ports: Readonly<Record<ProgramName, number>>;
  readonly databases: DatabaseUrls;
  /** Redis for the queue; without it the queue is on Postgres. */
  readonly redisUrl: string | undefined;
  /** Variables of the launcher's own environment that programs take over when set: log level, traces, time zone. */
  readonly passedOn: Readonly<Record<string, string>>;
}

export interface Needs {
  readonly schema?: Schema;
  readonly queue?: boolean;
  readonly objects?: boolean;
  readonly kms?: boolean;
  readonly calls: readonly ProgramName[];
}

/** What each service is given, and no more: a variable that a program does not know stops it. */
export const needs: Readonly<Record<(typeof serviceNames)[number], Needs>> = {
  audit: { schema: 'audit', calls: [] },
  'tenant-key': { schema: 'tenant_key', kms: true, calls: ['audit'] },
  embedding: { queue: true, objects: true, calls: ['tenant-key', 'audit', 'ingestion'] },
  ingestion: { schema: 'ingestion', queue: true, objects: true, calls: ['tenant-key', 'audit', 'retrieval'] },
  retrieval: {
    schema: 'retrieval',
    queue: true,
    objects: true,
    calls: ['tenant-key', 'audit', 'embedding', 'ingestion'],
  },
  llm: { schema: 'llm', calls: ['tenant-key', 'audit', 'retrieval'] },
  gateway: { calls: ['ingestion', 'retrieval', 'llm', 'audit', 'tenant-key'] },
};

/** Services with a database, and so with migrations. */
export const servicesWithDatabase = serviceNames.flatMap((name) => {
  const { schema } = needs[name];
  return schema === undefined ? [] : [{ name, schema }];
});

export function addressOf(ports: Surroundings['ports'], name: ProgramName): string {
  return `http://127.0.0.1:${ports[name]}`;
}

/** The folder with a program's main file. */
export function sourceDirOf(name: ProgramName): string {
  if (name === 'sign-in') return path.join(repositoryDir, 'deploy/local/src/sign-in');
  return path.join(repositoryDir, name === 'gateway' ? 'gateway/src' : `services/${name}/src`);
}

/** The whole environment of a program: nothing of the launcher's own but what `passedOn` names. */
export function environmentOf(name: ProgramName, given: Surroundings): Record<string, string> {
  const port = String(given.ports[name]);
  const basics = { ...given.passedOn, WARDSTONE_HOST: '127.0.0.1', WARDSTONE_PORT: port };
  if (name === 'sign-in') {
    const { WARDSTONE_LOG_LEVEL: _level, WARDSTONE_OTLP_URL: _traces, ...rest } = basics as Record<string, string>;
    return { ...rest, WARDSTONE_SIGN_IN_DIR: given.layout.signInDir };
  }
  return { ...basics, ...serviceEnvironment(name, given) };
}

function serviceEnvironment(name: Exclude<ProgramName, 'sign-in'>, given: Surroundings): Record<string, string> {
  const { schema, queue, objects, kms, calls } = needs[name];
  const { keysDir, objectsDir, kmsDir } = given.layout;
  const env: Record<string, string> = {
    WARDSTONE_SERVICE_KEY_FILE: serviceKeyFile(keysDir, name),
    WARDSTONE_OIDC_ISSUER: addressOf(given.ports, 'sign-in'),
  };
  // No service calls the gateway, so it verifies no service's token.
  if (name !== 'gateway') env['WARDSTONE_SERVICE_JWKS_FILE'] = serviceJwksFile(keysDir);
  if (schema !== undefined) env['WARDSTONE_DATABASE_URL'] = given.databases.app(schema);
  if (queue === true && given.redisUrl !== undefined) env['WARDSTONE_REDIS_URL'] = given.redisUrl;
  if (queue === true && given.redisUrl === undefined) env['WARDSTONE_QUEUE_DATABASE_URL'] = given.databases.queue;
  if (objects === true) env['WARDSTONE_OBJECTS_DIR'] = objectsDir;
  if (kms === true) env['WARDSTONE_KMS_DIR'] = kmsDir;
  // The server that the description names: whoever imports it has an address to call.
  if (name === 'gateway') env['WARDSTONE_PUBLIC_URL'] = addressOf(given.ports, 'gateway');
  for (const peer of calls) {
    env[`WARDSTONE_${peer.toUpperCase().replaceAll('-', '_')}_URL`] = addressOf(given.ports, peer);
  }
  return env;
}

/** What of the launcher's environment programs take over. */
export function passedOnFrom(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = ['PATH', 'TZ', 'NODE_ENV', 'NODE_EXTRA_CA_CERTS', 'WARDSTONE_LOG_LEVEL', 'WARDSTONE_OTLP_URL'];
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}
