/** A document's time: runs while the process works, stands still while it waits for bytes from the store or for us. */
export interface TimeLimits {
  /** Of the process's work on one document. */
  readonly timeoutMs: number;
  /** Longest silence: a page that takes longer will not end. */
  readonly pageTimeoutMs: number;
}

export class Clock {
  readonly #pageTimeoutMs: number;
  readonly #onExpired: () => void;
  #leftMs: number;

  constructor(limits: TimeLimits, onExpired: () => void) {
    this.#leftMs = limits.timeoutMs;
    this.#pageTimeoutMs = limits.pageTimeoutMs;
    this.#onExpired = onExpired;
  }

  /** Runs while the process is waited for. */
  async during<T>(wait: Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const timer = setTimeout(this.#onExpired, Math.max(0, Math.min(this.#leftMs, this.#pageTimeoutMs)));
    try {
      return await wait;
    } finally {
      clearTimeout(timer);
      this.#leftMs -= performance.now() - startedAt;
    }
  }
}
