import { AppError } from '@wardstone/rpc';

/** The least pace at which a client has to send: in each window that it is waited for, so many bytes or the end. */
export interface PaceBounds {
  readonly windowMs: number;
  readonly minBytes: number;
}

/**
 * Watches over the pace of one body. Node's own bounds (`requestTimeout`, `headersTimeout`) know one time for a whole request
 * and every route, too long for a small body and too short for a large one.
 */
export interface Pace {
  received(bytes: number): void;
  /** The client is waited for from here on, until pause(). */
  wait(): void;
  /** Somebody else is waited for: this time is not the client's. */
  pause(): void;
}

/** The bounds for a rate over a window. */
export function paceBounds(minBytesPerSecond: number, windowMs: number): PaceBounds {
  return { windowMs, minBytes: Math.max(1, Math.ceil((minBytesPerSecond * windowMs) / 1_000)) };
}

/** Calls `onTooSlow` once, when a window was too slow. Paused at first. */
export function createPace({ windowMs, minBytes }: PaceBounds, onTooSlow: (refusal: AppError) => void): Pace {
  let bytes = 0;
  let leftMs = windowMs;
  let since = 0;
  let timer: NodeJS.Timeout | undefined;
  const watch = (): void => {
    since = performance.now();
    timer = setTimeout(() => {
      if (bytes < minBytes) {
        onTooSlow(new AppError('REQUEST_TIMEOUT'));
        return;
      }
      bytes = 0;
      leftMs = windowMs;
      watch();
    }, leftMs);
  };
  return {
    received: (more) => {
      bytes += more;
    },
    wait: watch,
    pause: () => {
      clearTimeout(timer);
      leftMs = Math.max(0, leftMs - (performance.now() - since));
    },
  };
}

/** A wait for what the client sends, one after the other. Thrown: REQUEST_TIMEOUT when it is too slow. */
export function pacedWaits(bounds: PaceBounds): {
  readonly pace: Pick<Pace, 'received'>;
  waitFor<T>(next: Promise<T>): Promise<T>;
} {
  let refuse: (refusal: AppError) => void = () => undefined;
  const pace = createPace(bounds, (refusal) => refuse(refusal));
  return {
    pace,
    waitFor: async (next) => {
      // Made anew for each wait: one that lives as long as the upload would keep all that was raced against it.
      const { promise: tooSlow, reject } = Promise.withResolvers<never>();
      refuse = reject;
      pace.wait();
      try {
        return await Promise.race([next, tooSlow]);
      } finally {
        pace.pause();
      }
    },
  };
}
