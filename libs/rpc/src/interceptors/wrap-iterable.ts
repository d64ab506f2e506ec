/** What is done around the steps of an iteration. */
export interface Around<T> {
  /** Runs each step; what it throws is what the consumer sees. */
  readonly step?: (pull: () => Promise<IteratorResult<T>>) => Promise<IteratorResult<T>>;
  /** Sees each value before the consumer does; may throw. */
  readonly value?: (value: T) => void;
  /** Called once, when the source has ended without an error. */
  readonly done?: () => void;
  /** Called once, when the consumer stops before the end. */
  readonly left?: () => void;
}

/** An iterable that yields what the source yields, with something around each step. Ends with the source, and ends it. */
export function wrapIterable<T>(source: AsyncIterable<T>, around: Around<T>): AsyncIterable<T> {
  const step = around.step ?? ((pull: () => Promise<IteratorResult<T>>) => pull());
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      return {
        async next() {
          const result = await step(() => iterator.next());
          if (result.done) around.done?.();
          else around.value?.(result.value);
          return result;
        },
        async throw(error: unknown) {
          around.left?.();
          if (!iterator.throw) throw error;
          return await step(() => Promise.resolve(iterator.throw?.(error) ?? { done: true, value: undefined }));
        },
        async return(value: unknown) {
          around.left?.();
          await step(() => Promise.resolve(iterator.return?.(value) ?? { done: true, value: undefined }));
          return { done: true, value: undefined };
        },
      };
    },
  };
}
