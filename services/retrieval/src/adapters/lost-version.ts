import { versionFaults } from '@wardstone/crypto';
import { AppError } from '@wardstone/rpc';

/**
 * What is made of a key version that a row names; undefined when the key service knows no such version, or has retired it, so that
 * nothing can be made of the row. Other faults pass: a key service that is away says nothing of a row.
 */
export async function unlessLost<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof AppError && versionFaults.includes(error.reason)) return undefined;
    throw error;
  }
}
