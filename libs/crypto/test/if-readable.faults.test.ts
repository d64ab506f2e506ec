import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { ifReadable } from '../src/index.ts';
import { rejection } from './support.ts';

describe('what may be damaged', () => {
  it('is given when it opens, and is undefined when it does not', async () => {
    expect(await ifReadable(Promise.resolve(''))).to.equal('');
    expect(await ifReadable(Promise.reject(new AppError('SEALED_VALUE_INVALID')))).to.equal(undefined);
  });

  it('is not called damaged for a key that is away, nor for a mistake of ours', async () => {
    for (const fault of [new AppError('KEY_UNAVAILABLE'), new TypeError('no function')]) {
      expect(await rejection(ifReadable(Promise.reject(fault)))).to.equal(fault);
    }
  });
});
