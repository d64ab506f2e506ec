import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { maxStatements, type ModelReading, readModel } from '../src/domain/read-model.ts';
import type { ModelEvent, ModelUsage } from '../src/ports.ts';
import { answered, says, scriptedModel } from './support/scripted-model.ts';
import { reasonOf, untilAborted } from './support/harness.ts';

const usage: ModelUsage = {
  ...{
    modelId: 'scripted',
    inputTokens: 10,
    outputTokens: 2,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    costMicroUsd: 5,
  },
};
const spent: ModelEvent = { kind: 'usage', usage };
const input = { question: 'x', history: [], sources: [] };
const never = new AbortController().signal;

async function read(model: ReturnType<typeof scriptedModel>, signal = never) {
  const readings: ModelReading[] = [];
  const heard: ModelUsage[] = [];
  const reason = await reasonOf(
    (async () => {
      for await (const reading of readModel(model, input, signal, (used) => void heard.push(used)))
        readings.push(reading);
    })(),
  );
  return { readings, heard, reason };
}

describe('reading a model', () => {
  it('tells its statements and how it ended, and hears what it used', async () => {
    const { readings, heard } = await read(scriptedModel([spent, says('a'), spent, answered]));
    expect(readings.map(({ kind }) => kind)).to.deep.equal(['statement', 'done']);
    expect(heard).to.have.length(2);
  });

  it('hears what a model used that fails', async () => {
    const model = scriptedModel(async function* () {
      await Promise.resolve();
      yield spent;
      throw new AppError('MODEL_UNAVAILABLE');
    });
    expect(await read(model)).to.deep.include({ heard: [usage], reason: 'MODEL_UNAVAILABLE' });
  });

  it('takes a model that does not say how it ended for one that failed', async () => {
    expect((await read(scriptedModel([says('a')]))).reason).to.equal('MODEL_UNAVAILABLE');
  });

  it('stops a model that goes on and on, as one that was cut', async () => {
    let isStopped = false;
    const model = scriptedModel(async function* (_input, signal) {
      for (;;) {
        await Promise.resolve();
        if (signal.aborted) {
          isStopped = true;
          yield spent;
          return;
        }
        yield says('again');
      }
    });
    const { readings, heard } = await read(model);
    expect(readings).to.have.length(maxStatements + 1);
    expect(readings.at(-1)).to.deep.equal({ kind: 'done', outcome: 'cut' });
    expect([isStopped, heard.length]).to.deep.equal([true, 1]);
  });

  it('stops the model when the reader leaves, and hears what it used till then', async () => {
    const heard: ModelUsage[] = [];
    const model = scriptedModel(async function* (_input, signal) {
      yield says('a');
      await untilAborted(signal).catch(() => undefined);
      yield spent;
      throw new AppError('CANCELLED');
    });
    for await (const reading of readModel(model, input, never, (used) => void heard.push(used))) {
      expect(reading.kind).to.equal('statement');
      break;
    }
    expect(heard).to.deep.equal([usage]);
  });
});
