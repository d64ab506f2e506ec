import { AppError } from '@wardstone/rpc';
import { expect } from 'chai';
import { createSlots } from '../src/http/slots.ts';

describe('slots', () => {
  it('are bounded per key, and come back once each', () => {
    const slots = createSlots(2, 1500);
    const first = slots.take('a');
    slots.take('a');
    expect(() => slots.take('a'))
      .to.throw(AppError)
      .that.includes({ reason: 'RATE_LIMITED', retryAfterMs: 1500 });
    const other = slots.take('b');
    expect(slots.taken()).to.equal(3);
    first();
    first();
    expect(slots.taken()).to.equal(2);
    slots.take('a');
    expect(() => slots.take('a')).to.throw(AppError);
    other();
    expect(slots.taken()).to.equal(2);
  });
});
