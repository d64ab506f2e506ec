/** Long work in small pieces, so that one search does not keep the others of its process waiting. */
import { setImmediate } from 'node:timers/promises';

/** Work that lets others have their turn. */
export interface Turns {
  /** Says what was done. After so much of it everything else that waits comes first. Thrown: why the work is not wanted any more. */
  after(work: number): Promise<void>;
}

/** `maxWork` is what may be done in one go; units are the caller's. */
export function createTurns(maxWork: number, signal: AbortSignal): Turns {
  let done = 0;
  return {
    async after(work) {
      done += work;
      if (done < maxWork) return;
      done = 0;
      await setImmediate();
      signal.throwIfAborted();
    },
  };
}
