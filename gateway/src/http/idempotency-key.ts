import { AppError } from '@wardstone/rpc';
import type { FastifyRequest } from 'fastify';
import type { HeaderSpec } from '../route.ts';

const pattern = /^[\x21-\x7e]{1,255}$/;

/** The Idempotency-Key header as it is described. `effect` says what a repeated request does. */
export function idempotencyKeyHeader(effect: string): HeaderSpec {
  return {
    description: `${effect} 1 to 255 visible ASCII characters (draft-ietf-httpapi-idempotency-key-header).`,
    pattern: '^[\\x21-\\x7E]{1,255}$',
    minLength: 1,
    maxLength: 255,
  };
}

/** The Idempotency-Key of a request; empty when it has none. Thrown: INVALID_ARGUMENT. */
export function idempotencyKeyOf({ headers }: Pick<FastifyRequest, 'headers'>): string {
  const key = headers['idempotency-key'];
  if (key === undefined) return '';
  if (typeof key === 'string' && pattern.test(key)) return key;
  throw new AppError('INVALID_ARGUMENT', {
    violations: [{ field: 'Idempotency-Key', description: 'is not 1 to 255 visible ASCII characters' }],
  });
}
