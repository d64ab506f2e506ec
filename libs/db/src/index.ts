export { openDatabase, type Database, type DatabaseOptions, type TransactionOptions } from './database.ts';
export { isUniqueViolation, isUnavailable } from './errors.ts';
export { holdLock, tryLock } from './locks.ts';
export { migrate, migrationRoles, type MigrateOptions, type MigrationClass, type MigrationRoles } from './migrate.ts';
export { createPassLoop, type Pass, type PassLoop, type PassLoopOptions } from './pass-loop.ts';
export { removeTenantRows } from './remove-rows.ts';
export { idsOnlyFunction, tenantTable, type IdsOnlyFunctionOptions } from './row-level-security.ts';
export { nilUuid } from './uuid.ts';
