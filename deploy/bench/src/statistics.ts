/** The few statistics that the rows need. */

/** The middle value; the mean of the two middle ones when their number is even. Thrown: RangeError for no values. */
export function median(values: readonly number[]): number {
  const sorted = sortedValues(values);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** The smallest value that at least `share` (0 to 1) of the values do not exceed (nearest rank). Thrown: RangeError. */
export function percentile(values: readonly number[], share: number): number {
  if (!(share >= 0 && share <= 1)) throw new RangeError('a share lies between 0 and 1');
  const sorted = sortedValues(values);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** One value of each contender for each round that counts, in the order of the contenders. */
export async function alternate(
  rounds: number,
  contenders: readonly (() => Promise<number>)[],
): Promise<readonly (readonly number[])[]> {
  // The first round warms up caches, connections and the compiler, and is thrown away.
  for (const contender of contenders) await contender();
  const values = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, contender] of contenders.entries()) values[index]?.push(await contender());
  }
  return values;
}

/** The medians of `alternate`, in the order of the contenders: the machine's slow moments fall on all of them alike. */
export async function alternateMedians(
  rounds: number,
  contenders: readonly (() => Promise<number>)[],
): Promise<readonly number[]> {
  return (await alternate(rounds, contenders)).map(median);
}

/** Seconds that the work took. */
export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

function sortedValues(values: readonly number[]): number[] {
  if (values.length === 0) throw new RangeError('no values');
  return [...values].sort((a, b) => a - b);
}
