import { expect } from 'chai';
import { createStreamMemory } from '../src/index.ts';

describe('stream memory', () => {
  it('collects the buffers that have passed, before V8 would', () => {
    const before = process.memoryUsage().arrayBuffers;
    const memory = createStreamMemory(1024 * 1024);
    let most = 0;
    for (let index = 0; index < 400; index += 1) {
      const piece = Buffer.alloc(128 * 1024);
      memory.passed(piece.byteLength);
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    expect(most / 1024 / 1024).to.be.below(16);
  });

  it('leaves no collector behind for others to call', () => {
    createStreamMemory();
    expect(globalThis.gc).to.equal(undefined);
  });
});
