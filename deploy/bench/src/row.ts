import type { BenchPlatform } from './bench-platform.ts';

/** One line of the table. */
export interface Measured {
  /** What was measured. */
  readonly what: string;
  readonly unit: string;
  /** Which way is good. */
  readonly better: 'higher' | 'lower';
  /** The platform's figure; undefined when it could not be measured, for the reason in `note`. */
  readonly ours: number | undefined;
  /** The figure of the bare counterpart, measured in the same run. */
  readonly bare?: number;
  /** What the counterpart is. */
  readonly bareIs?: string;
  readonly note?: string;
}

/** What a row may use. */
export interface Bench {
  /** Folder for what rows keep; below `.wardstone/bench`. */
  readonly stateDir: string;
  /** Starts the platform when first asked, and keeps it for the rows that follow. */
  readonly platform: BenchPlatform;
  /** Tells what is going on. */
  readonly progress: (line: string) => void;
  /** Fires when the run is to end early. */
  readonly signal: AbortSignal;
}

/** One benchmark. */
export interface Row {
  /** As it is named on the command line. */
  readonly name: string;
  readonly measure: (bench: Bench) => Promise<readonly Measured[]>;
}
