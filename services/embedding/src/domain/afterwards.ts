/** A signal that fires some time after another one: what is about to be done when that one fires may still end well. */
export interface Afterwards {
  readonly signal: AbortSignal;
  /** Lets go of the other signal. */
  dispose(): void;
}

/** Fires `delayMs` after the signal has, with its reason. */
export function afterwards(signal: AbortSignal, delayMs: number): Afterwards {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = (): void => {
    timer = setTimeout(() => controller.abort(signal.reason), delayMs);
  };
  if (signal.aborted) begin();
  else signal.addEventListener('abort', begin, { once: true });
  return {
    signal: controller.signal,
    dispose: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', begin);
    },
  };
}
