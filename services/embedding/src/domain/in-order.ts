/**
 * Works on at most `concurrency` items at a time and gives the results in the order of the items. The source is read no
 * further ahead than that. The first failure ends it; work that already runs is left to end by itself.
 */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  concurrency: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  for await (const item of items) {
    const result = work(item);
    // Whoever awaits it later sees the failure; until then it must not count as unhandled.
    result.catch(() => undefined);
    running.push(result);
    const first = running.length < concurrency ? undefined : running.shift();
    if (first !== undefined) yield await first;
  }
  for (const result of running) yield await result;
}
