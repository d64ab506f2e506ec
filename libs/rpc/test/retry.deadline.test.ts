import { expect } from 'chai';
import { AppError, retryDelayMs, withRetry, type RetryOptions } from '../src/index.ts';

const delays = { firstMs: 1, maxMs: 4 };
const anHourMs = 3_600_000;

describe('a retry', () => {
  async function run(
    options: Partial<RetryOptions>,
    ...thrown: unknown[]
  ): Promise<{ attempts: number; error?: AppError }> {
    let attempts = 0;
    try {
      await withRetry(
        async (attempt) => {
          attempts += 1;
          expect(attempt).to.equal(attempts);
          if (attempts <= thrown.length) throw thrown[attempts - 1];
        },
        { attempts: 3, delays, ...options },
      );
      return { attempts };
    } catch (error) {
      expect(error).to.be.instanceOf(AppError);
      return { attempts, error: error as AppError };
    }
  }
  const away = new AppError('MODEL_UNAVAILABLE');

  it('is made for what may succeed the next time, until it does', async () => {
    expect(await run({}, away, away)).to.deep.equal({ attempts: 3 });
  });

  it('is made as often as allowed, and then throws the last error', async () => {
    const last = new AppError('MODEL_THROTTLED');
    const { attempts, error } = await run({}, away, away, last);
    expect({ attempts, error }).to.deep.equal({ attempts: 3, error: last });
  });

  it('is not made for what repeating does not mend', async () => {
    expect(await run({}, new AppError('MODEL_ACCESS_DENIED'))).to.have.property('attempts', 1);
    expect(await run({}, new TypeError('a fault of the program'))).to.have.nested.property('error.reason', 'INTERNAL');
    expect(await run({ mayRetry: () => false }, away)).to.have.property('attempts', 1);
  });

  it('is not made when its pause would end after the deadline', async () => {
    const told: number[] = [];
    const options = { timeoutMs: 1_000, askedPauseMs: () => 2_000, onRetry: () => told.push(1) };
    expect(await run(options, away)).to.deep.equal({ attempts: 1, error: away });
    expect(told).to.have.length(0);
  });

  it('pauses no shorter than it was asked to', async () => {
    const pauses: number[] = [];
    await run({ askedPauseMs: () => 7, onRetry: (_, pauseMs) => pauses.push(pauseMs) }, away);
    expect(pauses).to.deep.equal([7]);
  });

  for (const [title, reason, expected] of [
    ['a caller that leaves', undefined, 'CANCELLED'],
    ['a deadline', new DOMException('too late', 'TimeoutError'), 'DEADLINE_EXCEEDED'],
  ] as const) {
    it(`is broken off in its pause by ${title}`, async () => {
      const abort = new AbortController();
      const options = {
        signal: abort.signal,
        delays: { firstMs: anHourMs, maxMs: anHourMs },
        onRetry: () => {
          abort.abort(reason);
        },
      };
      const { attempts, error } = await run(options, away);
      expect({ attempts, reason: error?.reason }).to.deep.equal({ attempts: 1, reason: expected });
    });
  }

  it('is not made for a caller that has left', async () => {
    expect(await run({ signal: AbortSignal.abort() }, away)).to.deep.equal({ attempts: 1, error: away });
  });

  it('doubles its pause up to a cap, and spreads it over its upper half', () => {
    const wide = { firstMs: 100, maxMs: 1_000 };
    expect([1, 2, 3, 4, 5, 1_000_000].map((attempt) => retryDelayMs(attempt, wide, () => 1))).to.deep.equal([
      100, 200, 400, 800, 1_000, 1_000,
    ]);
    expect(retryDelayMs(3, wide, () => 0)).to.equal(200);
  });
});
