/** SQLSTATEs after which the same operation may succeed later, as in libs/db. */
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

/** What pg and ioredis throw without a code. */
const unavailableMessages = [
  'Connection is closed',
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Query read timeout',
  'Client has encountered a connection error',
  'Client was closed and is not queryable',
  "Stream isn't writeable",
  'Command timed out',
  'max retries per request',
];

/** Whether the queue's server, and not the operation, is to blame. */
export function isConnectionFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (unavailableCodes.has(code) || (code.length === 5 && unavailableStates.test(code))) return true;
  if (unavailableMessages.some((known) => error.message.includes(known))) return true;
  return error instanceof AggregateError && error.errors.some(isConnectionFault);
}
