/** A process that has been started. */
export interface Running {
  readonly pid: number | undefined;
  /** Settles when the process ends, with words that say how. */
  readonly exited: Promise<string>;
  /** Resolves when it serves. Thrown: Error when it ends first or takes too long. */
  ready(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Ends it in good order, or by force when it does not end in time. */
  stop(): Promise<void>;
}

export interface SuperviseOptions {
  readonly name: string;
  readonly launch: () => Promise<Running> | Running;
  /** Told, in one line, of each end that nobody asked for and each restart. */
  readonly report: (line: string) => void;
  /** Whether a process that ended unasked is started again. */
  readonly autoRestart: boolean;
  readonly firstDelayMs?: number;
  readonly maxDelayMs?: number;
}

/** One process of the platform, kept running. */
export interface Supervised {
  readonly name: string;
  /** Process id; undefined while it does not run. */
  readonly pid: number | undefined;
  /** Starts it and waits until it serves. */
  start(): Promise<void>;
  /** Resolves when it serves, across restarts. Thrown: Error after `timeoutMs`. */
  whenReady(timeoutMs: number): Promise<void>;
  /** Sends a signal; what happens next is as if the process had crashed. */
  kill(signal: NodeJS.Signals): void;
  /** Ends it for good. Idempotent. */
  stop(): Promise<void>;
}

/** A process that has served this long has recovered: its next restart is quick again. */
const recoveredAfterMs = 30_000;
const pollMs = 20;
const ending: readonly NodeJS.Signals[] = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGQUIT'];

/** Keeps one process running: after the first start, an end that nobody asked for is followed by a restart, with back-off. */
export function supervise(options: SuperviseOptions): Supervised {
  const { name, launch, report, autoRestart, firstDelayMs = 250, maxDelayMs = 10_000 } = options;
  let current: Running | undefined;
  let serving = false;
  let wanted = false;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;

  async function run(): Promise<void> {
    const running = await launch();
    if (!wanted) {
      await running.stop();
      return;
    }
    current = running;
    let served = false;
    const startedAt = Date.now();
    void running.exited.then((how) => {
      if (current !== running) return;
      current = undefined;
      serving = false;
      // One that ends before it served is the failure of whoever starts it.
      if (!wanted || !served) return;
      if (Date.now() - startedAt > recoveredAfterMs) failures = 0;
      scheduleRestart(how);
    });
    await running.ready();
    if (current !== running) throw new Error(`${name} ended as it began to serve.`);
    served = true;
    serving = true;
  }

  function scheduleRestart(how: string): void {
    if (!autoRestart) {
      report(`${name} ${how}`);
      return;
    }
    const delayMs = Math.min(firstDelayMs * 2 ** failures, maxDelayMs);
    failures += 1;
    report(`${name} ${how}; starting it again in ${delayMs} ms`);
    timer = setTimeout(() => void restart(), delayMs);
  }

  async function restart(): Promise<void> {
    try {
      await run();
      if (wanted) report(`${name} is back`);
    } catch (error) {
      await end();
      if (wanted) scheduleRestart(error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'failed');
    }
  }

  async function end(): Promise<void> {
    const running = current;
    current = undefined;
    serving = false;
    await running?.stop();
  }

  return {
    name,
    get pid() {
      return current?.pid;
    },
    start: async () => {
      wanted = true;
      failures = 0;
      try {
        await run();
      } catch (error) {
        wanted = false;
        await end();
        throw error;
      }
    },
    whenReady: async (timeoutMs) => {
      const deadline = Date.now() + timeoutMs;
      while (!serving) {
        if (Date.now() > deadline) throw new Error(`${name} did not serve within ${timeoutMs} ms.`);
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    },
    kill: (signal) => {
      // So that whenReady, called next, waits for the restart and not for the news of the death.
      if (ending.includes(signal)) serving = false;
      current?.kill(signal);
    },
    stop: async () => {
      wanted = false;
      clearTimeout(timer);
      await end();
    },
  };
}
