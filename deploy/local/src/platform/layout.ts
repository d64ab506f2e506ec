import path from 'node:path';

/** The repository's root folder. */
export const repositoryDir = path.resolve(import.meta.dirname, '../../../..');

/** Where everything that set-up and the platform make is kept: `.wardstone`, or what WARDSTONE_STATE_DIR names. */
export function defaultStateDir(env: NodeJS.ProcessEnv): string {
  return path.resolve(env['WARDSTONE_STATE_DIR'] ?? path.join(repositoryDir, '.wardstone'));
}

/** The programs of the embedded Postgres: one copy serves every state folder of a clone. */
export function postgresCacheDir(env: NodeJS.ProcessEnv): string {
  return path.join(defaultStateDir(env), 'postgres-server');
}

/** Files and folders of one platform's state. */
export interface Layout {
  readonly stateDir: string;
  readonly lockFile: string;
  readonly portsFile: string;
  /** Data folder, password and log of the embedded Postgres. */
  readonly postgresDir: string;
  /** Passwords of the database roles, 0600. */
  readonly databasesFile: string;
  /** Private keys of the services, 0600, and `services.jwks.json`. */
  readonly keysDir: string;
  readonly objectsDir: string;
  readonly kmsDir: string;
  readonly signInDir: string;
  readonly logsDir: string;
}

export function layoutOf(stateDir: string): Layout {
  const at = (name: string): string => path.join(stateDir, name);
  return {
    stateDir,
    lockFile: at('lock'),
    portsFile: at('ports.json'),
    postgresDir: at('postgres'),
    databasesFile: at('databases.json'),
    keysDir: at('keys'),
    objectsDir: at('objects'),
    kmsDir: at('kms'),
    signInDir: at('sign-in'),
    logsDir: at('logs'),
  };
}
