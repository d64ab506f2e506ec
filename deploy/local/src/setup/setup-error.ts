/** The two ways to run Wardstone where its embedded dependencies cannot be set up. */
const waysOut = [
  'There are two ways out:',
  '  1. docker compose up                     runs the whole platform in containers;',
  '  2. WARDSTONE_DATABASE_URL=postgres://…   names the superuser of a Postgres 17 with pgvector that already runs',
  '     WARDSTONE_REDIS_URL=redis://…         (optional) and a Redis or Valkey with maxmemory-policy noeviction.',
].join('\n');

/**
 * Something that the set-up needs is not there. The message is for the person at the keyboard: what is missing, how to
 * get it, and the two ways to do without.
 */
export class SetupError extends Error {
  override readonly name = 'SetupError';

  constructor(missing: string, options: { remedy?: string; cause?: unknown } = {}) {
    const lines = [missing, ...(options.remedy === undefined ? [] : [options.remedy]), waysOut];
    super(lines.join('\n'), options.cause === undefined ? {} : { cause: options.cause });
  }
}

/** Thrown for a state folder that another process uses, or for arguments that make no sense: no dependency is missing. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A program of the platform did not start or did not get ready. The message ends with the last lines of its log. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
