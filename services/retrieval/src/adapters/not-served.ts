import { AppError } from '@wardstone/rpc';

/** Whether embedding refused a call because it does not serve the model that was named: no repetition changes that. */
export function isNotServed(error: unknown): boolean {
  const { reason, violations } = AppError.from(error);
  return reason === 'INVALID_ARGUMENT' && violations.some(({ field }) => field === 'model_id');
}
