export interface EventuallyOptions {
  /** Bound of the wait; 10 s unless told. */
  readonly timeoutMs?: number;
  /** Pause between two looks; 20 ms unless told. */
  readonly intervalMs?: number;
  /** What is waited for, as in "timed out waiting for …". */
  readonly description?: string;
}

/**
 * Waits until `condition` gives something else than undefined or false, and gives that. A condition that throws has not
 * come true yet. Thrown: Error after the bound, with the last error as its cause.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 10_000, intervalMs = 20, description = 'the condition' }: EventuallyOptions = {},
): Promise<Exclude<T, false | undefined | void>> {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  do {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value as Exclude<T, false | undefined | void>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  } while (performance.now() < deadline);
  throw new Error(`timed out after ${timeoutMs} ms waiting for ${description}`, { cause });
}
