import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { createGroupCommit } from '../src/adapters/group-commit.ts';
import { emptyChain, extendChain } from '../src/domain/hash-chain.ts';
import type { AppendResult, ChainStore } from '../src/ports.ts';
import { content, rejection } from './support/content.ts';

/** A store that answers when it is told to. */
function heldStore(): { store: ChainStore; calls: number[]; release(): void } {
  const calls: number[] = [];
  const waiting: (() => void)[] = [];
  const store: ChainStore = {
    appendTogether: async (_chain, appends) => {
      calls.push(appends.length);
      await new Promise<void>((resolve) => waiting.push(resolve));
      return appends.map((contents): AppendResult => ({ events: extendChain(emptyChain, contents, 0) }));
    },
  };
  return { store, calls, release: () => waiting.shift()?.() };
}

describe('group commit', () => {
  it('commits at once when nothing runs, and together what gathered meanwhile', async () => {
    const { store, calls, release } = heldStore();
    const { append } = createGroupCommit({ store });
    const appends = [1, 2, 3, 4].map(async () => append('t', [content()]));
    expect(calls).to.deep.equal([1]);
    release();
    await eventually(() => calls.length === 2, { description: 'the second transaction' });
    expect(calls).to.deep.equal([1, 3]);
    release();
    expect((await Promise.all(appends)).every((events) => events.length === 1)).to.equal(true);
  });

  it('lets chains go on beside each other', async () => {
    const { store, calls, release } = heldStore();
    const { append } = createGroupCommit({ store });
    const appends = ['a', 'b', undefined].map(async (chain) => append(chain, [content()]));
    expect(calls).to.deep.equal([1, 1, 1]);
    for (let at = 0; at < 3; at += 1) release();
    await Promise.all(appends);
  });

  it('bounds a transaction, but never splits an append', async () => {
    const { store, calls, release } = heldStore();
    const { append } = createGroupCommit({ store, maxEventsTogether: 3 });
    const sizes = [1, 2, 1, 1, 5, 1];
    const appends = sizes.map(async (size) =>
      append(
        't',
        Array.from({ length: size }, () => content()),
      ),
    );
    const expected = [1, 2, 1, 1, 1];
    for (let at = 1; at <= expected.length; at += 1) {
      await eventually(() => calls.length === at, { description: `transaction ${at}` });
      release();
    }
    const answers = await Promise.all(appends);
    expect(calls).to.deep.equal(expected);
    expect(answers.map(({ length }) => length)).to.deep.equal(sizes);
  });

  it('refuses more than may wait, and takes again once there is room', async () => {
    const { store, release } = heldStore();
    const { append } = createGroupCommit({ store, maxWaitingEvents: 2 });
    const full = append('t', [content(), content()]);
    expect(await rejection(append('t', [content()]))).to.have.property('reason', 'AUDIT_UNAVAILABLE');
    release();
    await full;
    const next = append('t', [content()]);
    release();
    expect(await next).to.have.length(1);
  });

  it('tells everybody in the group when the database is away, without trying each', async () => {
    const calls: number[] = [];
    const store: ChainStore = {
      appendTogether: async (_chain, appends) => {
        calls.push(appends.length);
        return Promise.reject(new AppError('DATABASE_UNAVAILABLE'));
      },
    };
    const { append } = createGroupCommit({ store });
    const failures = await Promise.all([1, 2, 3].map(async () => rejection(append('t', [content()]))));
    expect(failures.map((failure) => (failure as AppError).reason)).to.deep.equal(
      Array(3).fill('DATABASE_UNAVAILABLE'),
    );
    expect(calls).to.deep.equal([1, 2]);
  });

  it('tries each by itself when the group fails for another reason', async () => {
    const store: ChainStore = {
      appendTogether: async (_chain, appends) => {
        if (appends.flat().some(({ reason }) => reason === 'BAD')) return Promise.reject(new Error('bad'));
        return Promise.resolve(appends.map((contents) => ({ events: extendChain(emptyChain, contents, 0) })));
      },
    };
    const { append } = createGroupCommit({ store });
    const settled = await Promise.allSettled(
      ['', 'BAD', '', 'BAD', ''].map(async (reason) => append('t', [content({ reason })])),
    );
    expect(settled.map(({ status }) => status[0]).join('')).to.equal('frfrf');
  });
});
