import { AppError } from '@wardstone/rpc';

/**
 * What was opened, or undefined when the value does not open (SEALED_VALUE_INVALID): one damaged value must not take others with it.
 * Other faults are thrown.
 */
export async function ifReadable<T>(opening: Promise<T>): Promise<T | undefined> {
  try {
    return await opening;
  } catch (error) {
    if (AppError.from(error).reason === 'SEALED_VALUE_INVALID') return undefined;
    throw error;
  }
}
