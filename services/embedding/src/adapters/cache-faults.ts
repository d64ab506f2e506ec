/** What is said of a cache that does not serve: once in a while, and nothing of what stands there. */
import type { Logger } from '@wardstone/telemetry';

const intervalMs = 60_000;

/** First words of what Redis replies when it is full, may not be used so, or is not ready. */
const replyCodes = ['OOM', 'NOAUTH', 'WRONGPASS', 'NOPERM', 'READONLY', 'LOADING', 'MISCONF', 'MASTERDOWN', 'BUSY'];

/** Warns of faults, of each kind at most once a minute. A fault's own words are not told: they may quote names of entries. */
export function createFaultLog(log: Pick<Logger, 'warn'>): (error: unknown) => void {
  const quietUntil = new Map<string, number>();
  return (error) => {
    const code = codeOf(error);
    const now = performance.now();
    if (now < (quietUntil.get(code) ?? 0)) return;
    quietUntil.set(code, now + intervalMs);
    log.warn(
      { err: error, code },
      'the cache of vectors does not serve at the moment: what it may hold is paid for again',
    );
  };
}

function codeOf(error: unknown): string {
  const word = error instanceof Error ? error.message.split(' ', 1)[0] : undefined;
  return replyCodes.find((code) => code === word) ?? 'OTHER';
}
