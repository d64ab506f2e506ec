import { z } from 'zod';

const integerText = z.string().regex(/^\d{1,15}$/, 'must be a whole number');

const wholeNumber = (minimum: number, maximum: number) =>
  integerText.transform(Number).pipe(z.number().int().min(minimum).max(maximum));

const units: Record<string, number> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

const truths = new Map([
  ['on', true],
  ['true', true],
  ['1', true],
  ['yes', true],
  ['off', false],
  ['false', false],
  ['0', false],
  ['no', false],
]);

/**
 * Zod building blocks for variables. Each turns the variable's text into a value; add `.default(value)` or `.optional()`
 * where the variable need not be set.
 */
export const fields = {
  /** A TCP port, 0 to 65535; 0 lets the system choose. */
  port: wholeNumber(0, 65_535),
  /** A whole number from 1 to 2^31 - 1. */
  positiveInt: wholeNumber(1, 2 ** 31 - 1),
  /** A whole number from 0 to 2^31 - 1. */
  nonNegativeInt: wholeNumber(0, 2 ** 31 - 1),
  /** A whole number from 1 to 100. */
  percent: wholeNumber(1, 100),
  /** A number of milliseconds, 1 ms to 24 days (what a timer can hold). */
  durationMs: wholeNumber(1, 2 ** 31 - 1),
  /** A size in bytes: a whole number, optionally with KiB, MiB or GiB after it. */
  bytes: z
    .string()
    .regex(/^\d{1,15}(KiB|MiB|GiB)?$/, 'must be a whole number of bytes, optionally with KiB, MiB or GiB after it')
    .transform((text) => Number.parseInt(text, 10) * (units[text.replace(/^\d+/, '')] ?? 1))
    .pipe(z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)),
  /** An absolute http or https URL without credentials, query or fragment; any trailing slash is dropped. */
  url: z
    .string()
    .refine(isPlainHttpUrl, 'must be an absolute http or https URL without credentials, query or fragment')
    .transform((text) => text.replace(/\/+$/, '')),
  /** A postgres or postgresql URL. It may hold a password: never log it. */
  postgresUrl: z
    .string()
    .refine((text) => hasProtocol(text, ['postgres:', 'postgresql:']), 'must be a postgres:// URL'),
  /** A redis or rediss URL. It may hold a password: never log it. */
  redisUrl: z.string().refine((text) => hasProtocol(text, ['redis:', 'rediss:']), 'must be a redis:// URL'),
  /** A path, not looked at yet. */
  filePath: z.string().min(1).max(4096),
  /** Any text of 1 to 1024 characters. */
  text: z.string().min(1).max(1024),
  /** A pino level. */
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
  /** Comma-separated texts, blanks around them dropped, empty ones dropped. */
  list: z.string().transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  ),
  /** on, off, true, false, yes, no, 1 or 0. */
  flag: z
    .string()
    .refine((text) => truths.has(text), 'must be on or off')
    .transform((text) => truths.get(text) === true),
} as const;

function isPlainHttpUrl(text: string): boolean {
  if (!hasProtocol(text, ['http:', 'https:'])) return false;
  const url = new URL(text);
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '';
}

function hasProtocol(text: string, protocols: readonly string[]): boolean {
  return URL.canParse(text) && protocols.includes(new URL(text).protocol);
}
