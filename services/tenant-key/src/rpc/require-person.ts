import { AppError, type CallContext } from '@wardstone/rpc';

/** Two people sign: a program's token is nobody. Thrown: PERMISSION_DENIED. */
export function requirePerson({ principal }: Pick<CallContext, 'principal'>): void {
  if (principal.kind !== 'user') throw new AppError('PERMISSION_DENIED');
}
