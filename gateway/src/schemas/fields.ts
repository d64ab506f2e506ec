import { z } from 'zod';

/** An id of Wardstone's: a UUID. */
export const id = z.uuid();

/** An instant, RFC 3339 in UTC. */
export const instant = z.iso.datetime({ precision: 3 });

/** A whole number that is never negative. */
export const count = z.int().nonnegative();

/** A share of a whole, 0 to 1. */
export const share = z.number().min(0).max(1);

/**
 * Text that comes in from outside: bounded in Unicode code points (as the protos bound it and as JSON Schema counts), and
 * without what cannot be stored or sent on faithfully: lone surrogates and NUL.
 */
export function text(bounds: { readonly min?: number; readonly max: number }): z.ZodString {
  const { min = 0, max } = bounds;
  return z
    .string()
    .refine((value) => value.isWellFormed(), 'is not well-formed Unicode')
    .refine((value) => !value.includes('\0'), 'holds a NUL character')
    .refine(
      (value) => codePoints(value, min) >= min,
      `is shorter than ${min} ${min === 1 ? 'character' : 'characters'}`,
    )
    .refine((value) => codePoints(value, max + 1) <= max, `is longer than ${max} characters`)
    .meta({ minLength: min, maxLength: max });
}

/** Text on one line, such as a name: no control characters, which could forge lines or headers further on. */
export function name(bounds: { readonly min?: number; readonly max: number }): z.ZodString {
  const { min = 0, max } = bounds;
  return text(bounds)
    .refine((value) => !hasControls(value), 'holds a control character')
    .meta({ minLength: min, maxLength: max });
}

/** A whole number in a query string. */
export function queryInteger(bounds: { readonly min: number; readonly max: number }) {
  const { min, max } = bounds;
  return z
    .string()
    .regex(/^\d{1,9}$/, 'is not a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `is not between ${min} and ${max}`);
}

/** Counts code points, but no further than `enough`: a caller cannot make us count a megabyte to refuse it. */
function codePoints(value: string, enough: number): number {
  let counted = 0;
  for (const character of value) {
    if (counted >= enough) break;
    counted += character.length > 0 ? 1 : 0;
  }
  return counted;
}

function hasControls(value: string): boolean {
  for (const character of value) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0x2028 || code === 0x2029) return true;
  }
  return false;
}
