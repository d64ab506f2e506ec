import { expect } from 'chai';
import { createReadiness } from '../src/routes/operations.ts';

describe('readiness', () => {
  it('is told when it changes, and only then', async () => {
    let nowMs = 0;
    const down = new Set<string>();
    const told: unknown[] = [];
    const check = (name: string) => async () => {
      if (down.has(name)) throw new Error('down');
      return Promise.resolve();
    };
    const log = { warn: (fields: unknown) => told.push(fields), info: (message: unknown) => told.push(message) };
    const peers = { retrieval: check('retrieval'), llm: check('llm') };
    const readiness = createReadiness({ identityProvider: check('identity-provider'), peers }, log, () => nowMs);
    const askTwice = async (): Promise<boolean[]> => {
      const answers: boolean[] = [];
      for (let n = 0; n < 2; n += 1) {
        nowMs += 10_000;
        answers.push((await readiness.report()).ready);
      }
      return answers;
    };
    expect(await askTwice()).to.deep.equal([true, true]);
    down.add('retrieval');
    expect(await askTwice()).to.deep.equal([true, true]);
    down.add('llm');
    expect(await askTwice()).to.deep.equal([true, true]);
    down.add('identity-provider');
    expect(await askTwice()).to.deep.equal([false, false]);
    down.clear();
    expect(await askTwice()).to.deep.equal([true, true]);
    expect(told).to.deep.equal([
      { peer: ['retrieval'] },
      { peer: ['retrieval', 'llm'] },
      { peer: ['retrieval', 'llm', 'identity-provider'] },
      'all peers are here again',
    ]);
  });
});
