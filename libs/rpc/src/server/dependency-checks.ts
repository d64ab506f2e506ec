import { Gauge, type Telemetry, describeError } from '@wardstone/telemetry';

/** Whether each dependency is up. */
export interface DependencyReport {
  readonly serving: boolean;
  readonly dependencies: Readonly<Record<string, 'up' | 'down'>>;
}

/** Asks dependencies how they are, never more often than once a second and never twice at once. */
export interface DependencyChecks {
  report(): Promise<DependencyReport>;
}

const cacheMs = 1_000;
const defaultTimeoutMs = 2_000;

/**
 * Makes the checks of a service. Each has a bound; one that is still running after its bound is not started again until it
 * has ended, so that a hanging dependency collects no work. Changes are logged.
 */
export function createDependencyChecks(options: {
  readonly dependencies: Readonly<Record<string, () => Promise<void>>>;
  readonly telemetry: Telemetry;
  readonly timeoutMs?: number;
  readonly now?: () => number;
}): DependencyChecks {
  const { telemetry, now = () => performance.now(), timeoutMs = defaultTimeoutMs } = options;
  const gauge = new Gauge({
    name: 'dependency_up',
    help: 'Whether a dependency answered its last check.',
    labelNames: ['dependency'],
    registers: [telemetry.metrics],
  });
  const probes = Object.entries(options.dependencies).map(([name, check]) => createProbe(name, check));

  function createProbe(name: string, check: () => Promise<void>) {
    let running: Promise<unknown> | undefined;
    let state: 'up' | 'down' | undefined;
    return {
      name,
      async ask(): Promise<'up' | 'down'> {
        const error = running ? new Error('the last check is still running') : await bounded(start());
        const next = error === undefined ? 'up' : 'down';
        if (next !== state) {
          gauge.set({ dependency: name }, next === 'up' ? 1 : 0);
          if (next === 'down')
            telemetry.log.warn({ dependency: name, err: describeError(error) }, 'dependency is down');
          else if (state === 'down') telemetry.log.info({ dependency: name }, 'dependency is up again');
        }
        state = next;
        return next;
      },
    };

    function start(): Promise<unknown> {
      const work = Promise.resolve()
        .then(check)
        .then(
          () => undefined,
          (error: unknown) => error ?? new Error('the check failed'),
        );
      running = work;
      void work.finally(() => {
        running = undefined;
      });
      return work;
    }
  }

  async function bounded(work: Promise<unknown>): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => resolve(new Error('the check took too long')), timeoutMs);
    try {
      return await Promise.race([work, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async function askAll(): Promise<DependencyReport> {
    const states = await Promise.all(probes.map(async (probe) => [probe.name, await probe.ask()] as const));
    return { serving: states.every(([, state]) => state === 'up'), dependencies: Object.fromEntries(states) };
  }

  let asking: Promise<DependencyReport> | undefined;
  let cached: { report: DependencyReport; at: number } | undefined;
  return {
    async report() {
      if (cached && now() - cached.at < cacheMs) return cached.report;
      asking ??= askAll().finally(() => {
        asking = undefined;
      });
      const report = await asking;
      cached = { report, at: now() };
      return report;
    },
  };
}
