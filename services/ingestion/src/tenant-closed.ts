/** Tenants that are suspended or leave: their work waits, and is no fault of anybody. */
import { AppError } from '@wardstone/rpc';

/** Whether something was refused because the tenant may not be used. */
export function isTenantClosed(error: unknown): boolean {
  const { reason } = AppError.from(error);
  return reason === 'TENANT_SUSPENDED' || reason === 'TENANT_OFFBOARDING';
}
