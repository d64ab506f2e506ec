import { AppError } from '@wardstone/rpc';
import type { HeaderSpec } from '../route.ts';

/** If-Match as it is described; what it is of is said by `refused`. */
export function ifMatchHeader(refused: string): HeaderSpec {
  return {
    description: `The etag in double quotes, or *: refused with 412 when ${refused}.`,
    pattern: '^(\\*|(W/)?"[\\x21\\x23-\\x7E]{1,128}")$',
    maxLength: 132,
  };
}

/** The etag of a resource as an ETag header: strong, quoted (RFC 9110 §8.8.3). */
export function entityTag(etag: string): string {
  return `"${etag}"`;
}

/**
 * The etag that an If-Match header demands; undefined when it demands none ("*", or no header).
 * Thrown: INVALID_ARGUMENT for what is not one entity tag; `changed` for a weak one, which never matches strongly.
 */
export function demandedEtag(
  ifMatch: string | undefined,
  changed: 'DOCUMENT_CHANGED' | 'SETTINGS_CHANGED' = 'DOCUMENT_CHANGED',
): string | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined;
  const match = /^(W\/)?"([\x21\x23-\x7e]{1,128})"$/.exec(ifMatch.trim());
  if (match === null) {
    throw new AppError('INVALID_ARGUMENT', {
      violations: [{ field: 'If-Match', description: 'is not one entity tag in double quotes, or *' }],
    });
  }
  if (match[1] !== undefined) throw new AppError(changed);
  return match[2];
}

/** Whether an If-None-Match header names the etag, so that the client's copy is still good. */
export function isFresh(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => {
    const value = tag.trim();
    return value === '*' || value.replace(/^W\//, '') === entityTag(etag);
  });
}
