import { rm } from 'node:fs/promises';
import { startPlatform, type Platform } from '@wardstone/local/platform/platform';
import { secondsOf } from './statistics.ts';

/** The one platform of a run. */
export interface BenchPlatform {
  /** The running platform, started when there is none. */
  running(): Promise<Platform>;
  /** Stops it, removes its state and starts it. Resolves with the seconds that the start took. */
  startFresh(): Promise<number>;
  /** Stops it and starts it on the state that it has. Resolves with the seconds that the start took. */
  startAgain(): Promise<number>;
  stop(): Promise<void>;
}

/** Without the database that the caller's own platform may use: the run has an embedded one in its own folder. */
export function benchEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { WARDSTONE_DATABASE_URL: _database, WARDSTONE_REDIS_URL: _redis, ...rest } = env;
  return rest;
}

/** A platform in `stateDir`, which holds generated documents alone and is emptied by a fresh start. */
export function createBenchPlatform(options: {
  readonly stateDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}): BenchPlatform {
  let platform: Platform | undefined;

  const start = async (): Promise<number> =>
    secondsOf(async () => {
      platform = await startPlatform({
        ...options,
        env: benchEnvironment(options.env),
        // The rows ask as one person, and more often than a person may.
        programEnv: { gateway: { WARDSTONE_RATE_LIMIT_REQUESTS: '1000000' } },
      });
    });
  const stop = async (): Promise<void> => {
    await platform?.stop();
    platform = undefined;
  };

  return {
    running: async () => {
      if (platform === undefined) await start();
      if (platform === undefined) throw new Error('the platform did not start');
      return platform;
    },
    startFresh: async () => {
      await stop();
      await rm(options.stateDir, { recursive: true, force: true });
      return start();
    },
    startAgain: async () => {
      await stop();
      return start();
    },
    stop,
  };
}
