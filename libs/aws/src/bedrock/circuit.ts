/**
 * Whether a model is asked: not while most attempts show that it is away, until one that is let through shows that it is back. Our own,
 * because cockatiel closes a half-open circuit on an end that says nothing about the model.
 */
import { retryDelayMs } from '@wardstone/rpc';

/** Whether attempts are let through: all, none, or one to try whether the model is back. */
export type CircuitPosition = 'closed' | 'open' | 'half-open';

/** A position as a figure of a metric. */
export const circuitValues: Readonly<Record<CircuitPosition, number>> = { closed: 0, 'half-open': 0.5, open: 1 };

/** What an attempt says of the model's health. */
export type Verdict = 'well' | 'away' | 'nothing';

/** When the circuit opens, and for how long. */
export interface CircuitOptions {
  /** Share of failed attempts in `windowMs`, 0 to 1, beyond which it opens; 0.5 unless told. */
  readonly failureShare?: number;
  /** 30 s unless told. */
  readonly windowMs?: number;
  /** Fewer attempts in the window say nothing; 10 unless told. */
  readonly minAttempts?: number;
  /** Until one attempt is let through to try; doubles up to `maxOpenMs` while that fails, less up to half by chance. 1 s unless told. */
  readonly firstOpenMs?: number;
  /** 30 s unless told. */
  readonly maxOpenMs?: number;
}

export interface Circuit {
  position(): CircuitPosition;
  /** Whether an attempt made now would be refused. */
  refuses(): boolean;
  /** Lets an attempt through, whose verdict is to be told, once; undefined when it is refused. */
  enter(): ((verdict: Verdict) => void) | undefined;
  /** The model was away in a call that was let through before. While it is open there is nothing to count. */
  away(): void;
}

const defaultFailureShare = 0.5;
const defaultWindowMs = 30_000;
const defaultMinAttempts = 10;
const defaultFirstOpenMs = 1_000;
const defaultMaxOpenMs = 30_000;

/** A closed one. It holds nothing that has to be closed. `now` is monotonic, in milliseconds. */
export function createCircuit(
  options: CircuitOptions = {},
  onChange: (position: CircuitPosition) => void = () => undefined,
  now: () => number = () => performance.now(),
): Circuit {
  const { failureShare = defaultFailureShare, minAttempts = defaultMinAttempts } = options;
  const delays = { firstMs: options.firstOpenMs ?? defaultFirstOpenMs, maxMs: options.maxOpenMs ?? defaultMaxOpenMs };
  const sample = createSample(options.windowMs ?? defaultWindowMs, now);
  let position: CircuitPosition = 'closed';
  let [openings, triesAtMs, isTried] = [0, 0, false];

  const change = (to: CircuitPosition): void => {
    position = to;
    onChange(to);
  };
  const open = (): void => {
    openings += 1;
    triesAtMs = now() + retryDelayMs(openings, delays);
    change('open');
  };
  const count = (verdict: Verdict): void => {
    if (position !== 'closed' || verdict === 'nothing') return;
    const { attempts, away } = sample.add(verdict);
    if (verdict === 'away' && attempts >= minAttempts && away > failureShare * attempts) open();
  };
  const decide = (verdict: Verdict): void => {
    isTried = false;
    if (verdict === 'away') open();
    if (verdict !== 'well') return;
    openings = 0;
    sample.clear();
    change('closed');
  };
  const refuses = (): boolean => (position === 'open' ? now() < triesAtMs : position === 'half-open' && isTried);
  return {
    position: () => position,
    refuses,
    enter() {
      if (position === 'closed') return count;
      if (refuses()) return undefined;
      // One that says nothing leaves it to the next to say.
      if (position === 'open') change('half-open');
      isTried = true;
      return decide;
    },
    away: () => count('away'),
  };
}

interface Sample {
  add(verdict: Exclude<Verdict, 'nothing'>): { readonly attempts: number; readonly away: number };
  clear(): void;
}

const slices = 10;

/** Counts over a window that moves on by a tenth of itself. */
function createSample(windowMs: number, now: () => number): Sample {
  const counts: { readonly from: number; attempts: number; away: number }[] = [];
  const sliceMs = windowMs / slices;
  return {
    add(verdict) {
      const from = Math.floor(now() / sliceMs) * sliceMs;
      while (counts[0] && counts[0].from <= from - windowMs) counts.shift();
      let last = counts.at(-1);
      if (last?.from !== from) counts.push((last = { from, attempts: 0, away: 0 }));
      last.attempts += 1;
      if (verdict === 'away') last.away += 1;
      const sum = (of: 'attempts' | 'away'): number => counts.reduce((total, slice) => total + slice[of], 0);
      return { attempts: sum('attempts'), away: sum('away') };
    },
    clear: () => void counts.splice(0),
  };
}
