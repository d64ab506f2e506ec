import { expect } from 'chai';
import { eventually } from '@wardstone/testing';
import { inBatches } from '@wardstone/queue';
import { inOrder } from '../src/domain/in-order.ts';

async function* numbers(count: number, onRead?: (value: number) => void): AsyncGenerator<number> {
  for (let value = 0; value < count; value += 1) {
    await Promise.resolve();
    onRead?.(value);
    yield value;
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('in order: bounds', () => {
  it('groups items, the rest in a smaller group', async () => {
    expect(await all(inBatches(numbers(5), 2))).to.deep.equal([[0, 1], [2, 3], [4]]);
    expect(await all(inBatches(numbers(4), 2))).to.deep.equal([
      [0, 1],
      [2, 3],
    ]);
    expect(await all(inBatches(numbers(0), 2))).to.deep.equal([]);
  });

  it('works on no more than it may, reads no further ahead, and keeps the order', async () => {
    const read: number[] = [];
    const started: number[] = [];
    const resolvers = new Map<number, (value: number) => void>();
    const work = (item: number) => {
      started.push(item);
      return new Promise<number>((resolve) => resolvers.set(item, resolve));
    };
    const results = all(
      inOrder(
        numbers(6, (value) => read.push(value)),
        3,
        work,
      ),
    );
    await eventually(() => started.length === 3);
    resolvers.get(2)?.(2);
    resolvers.get(1)?.(1);
    // What ended out of turn makes no room: its result has nowhere to go yet.
    await new Promise((resolve) => setImmediate(resolve));
    expect([started, read]).to.deep.equal([
      [0, 1, 2],
      [0, 1, 2],
    ]);
    for (let item = 0; item < 6; item += 1) {
      await eventually(() => resolvers.has(item));
      resolvers.get(item)?.(item);
    }
    expect(await results).to.deep.equal([0, 1, 2, 3, 4, 5]);
  });

  it('ends with the first failure', async () => {
    const work = (item: number) => (item === 1 ? Promise.reject(new Error('second')) : Promise.resolve(item));
    const caught: unknown = await all(inOrder(numbers(6), 2, work)).catch((error: unknown) => error);
    expect(caught).to.have.property('message', 'second');
  });
});
