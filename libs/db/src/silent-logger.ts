import type { Logger } from 'typeorm';

const nothing = (): void => undefined;

/**
 * TypeORM prints statements, parameters and the server's messages, any of which may hold content. Faults reach the
 * caller as errors; nothing else is said.
 */
export const silentLogger: Logger = {
  log: nothing,
  logMigration: nothing,
  logQuery: nothing,
  logQueryError: nothing,
  logQuerySlow: nothing,
  logSchemaBuild: nothing,
};
