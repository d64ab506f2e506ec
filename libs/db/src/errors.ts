import { AppError } from '@wardstone/rpc';

/**
 * SQLSTATE classes and codes after which the same call may succeed later: connection faults (08), insufficient
 * resources (53), operator intervention (57: shutdown, crash, statement time-out), lock time-outs (55P03), transaction
 * rollback by deadlock or serialisation (40), a server that refuses log-ins (28, 3D000, 55000: it is being set up or restored).
 */
const unavailableStates = /^(08|28|40|53|57|55P03|55000|3D000)/;

const unavailableCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
]);

/** What pg and pg-pool throw without a code. */
const unavailableMessages = [
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Query read timeout',
  'Client has encountered a connection error',
  'Client was closed and is not queryable',
  'Cannot use a pool after calling end',
  // TypeORM, once a connection was lost in the middle of a transaction.
  'Query runner already released',
  'Database connection provided by a query runner was already released',
  'Driver not Connected',
];

/** Whether the database, and not the statement, is to blame: the call may be repeated later. */
export function isUnavailable(error: unknown): boolean {
  for (let depth = 0, current: unknown = error; depth < 5 && current instanceof Error; depth += 1) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : '';
    if (unavailableCodes.has(code)) return true;
    if (code.length === 5 && unavailableStates.test(code)) return true;
    const { message } = current;
    if (unavailableMessages.some((known) => message.includes(known))) return true;
    if (current instanceof AggregateError && current.errors.some(isUnavailable)) return true;
    current = 'driverError' in current && current.driverError !== current ? current.driverError : current.cause;
  }
  return false;
}

/** Whether the statement failed on a unique constraint, or on the one named. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const found = error instanceof Error && 'driverError' in error ? error.driverError : error;
  if (!(found instanceof Error) || !('code' in found) || found.code !== '23505') return false;
  return constraint === undefined || ('constraint' in found && found.constraint === constraint);
}

/** Connection faults become DATABASE_UNAVAILABLE; everything else stays what it is. */
export function databaseError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  return isUnavailable(error) ? new AppError('DATABASE_UNAVAILABLE', { cause: error }) : error;
}
