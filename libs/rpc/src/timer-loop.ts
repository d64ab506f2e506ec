import { AppError } from './app-error.ts';
import type { Closable } from './run-until-signal.ts';

/** What a loop does in each pass, and how often. */
export interface TimerLoopOptions<T> {
  /** Pause before each pass, give or take a fifth, so that processes do not all come at once. */
  readonly intervalMs: number;
  /** One pass. The signal fires when the loop is closed. */
  readonly work: (signal: AbortSignal) => Promise<T>;
  /** Told of a pass that failed while the loop runs by itself; the next one is made all the same. Not told once it is closed. */
  readonly onFailure: (error: unknown) => void;
}

/** Passes one after the other, by themselves once started. */
export interface TimerLoop<T> extends Closable {
  /** One pass now. Thrown: what `work` throws. */
  pass(): Promise<T>;
  /** Begins to make passes, the first after a pause. */
  start(): void;
  /** Makes no further pass, and waits for the one that runs. */
  close(): Promise<void>;
}

/** Work that comes up again and again. The loop does nothing until it is started. */
export function createTimerLoop<T>({ intervalMs, work, onFailure }: TimerLoopOptions<T>): TimerLoop<T> {
  const ended = new AbortController();
  const { signal } = ended;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();

  const pass = (): Promise<T> => work(signal);
  const schedule = (): void => {
    if (signal.aborted) return;
    timer = setTimeout(
      () => {
        running = pass()
          .catch((error: unknown) => {
            if (!signal.aborted) onFailure(error);
          })
          .finally(schedule);
      },
      intervalMs * (0.8 + Math.random() * 0.4),
    );
  };

  return {
    pass,
    start: schedule,
    close: async () => {
      ended.abort(new AppError('CANCELLED'));
      clearTimeout(timer);
      await running;
    },
  };
}
