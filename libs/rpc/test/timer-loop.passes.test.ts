import { expect } from 'chai';
import { eventually } from '@wardstone/testing';
import { createTimerLoop, type TimerLoop } from '../src/index.ts';

describe('work that comes up again and again', () => {
  const loops: TimerLoop<unknown>[] = [];
  afterEach(() => Promise.all(loops.splice(0).map((loop) => loop.close())));

  const open = <T>(work: (signal: AbortSignal) => Promise<T>, failures: unknown[] = []): TimerLoop<T> => {
    const loop = createTimerLoop({ intervalMs: 1, work, onFailure: (error) => void failures.push(error) });
    loops.push(loop);
    return loop;
  };

  it('is done when it is asked for, and by itself once it is started', async () => {
    let passes = 0;
    const loop = open(() => Promise.resolve((passes += 1)));
    expect(await loop.pass()).to.equal(1);
    loop.start();
    await eventually(() => passes >= 3, { description: 'two passes by itself' });
  });

  it('goes on after passes that fail, and tells of them; who asked for one pass is told himself', async () => {
    const failures: unknown[] = [];
    const fault = new Error('not now');
    const loop = open(() => Promise.reject(fault), failures);
    expect(await loop.pass().catch((error: unknown) => error)).to.equal(fault);
    expect(failures).to.deep.equal([]);
    loop.start();
    await eventually(() => failures.length >= 2, { description: 'two passes have failed' });
    expect(failures[0]).to.equal(fault);
  });

  it('makes one pass at a time', async () => {
    const seen = { passes: 0, atOnce: 0, most: 0 };
    const loop = open(async () => {
      seen.atOnce += 1;
      seen.most = Math.max(seen.most, seen.atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      seen.atOnce -= 1;
      seen.passes += 1;
    });
    loop.start();
    await eventually(() => seen.passes >= 5, { description: 'five passes' });
    expect(seen.most).to.equal(1);
  });

  it('stops the pass that runs when it is closed, waits for it, and makes no other', async () => {
    const failures: unknown[] = [];
    const seen: string[] = [];
    const loop = open(async (signal) => {
      seen.push('begun');
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
      await new Promise((resolve) => setImmediate(resolve));
      seen.push('ended');
      throw new Error('stopped');
    }, failures);
    loop.start();
    await eventually(() => seen.length > 0, { description: 'a pass runs' });
    await loop.close();
    loop.start();
    expect(seen).to.deep.equal(['begun', 'ended']);
    expect(failures, 'closing is no failure').to.deep.equal([]);
  });
});
