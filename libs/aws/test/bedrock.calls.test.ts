import { InvokeModelCommand, type ConverseStreamOutput } from '@aws-sdk/client-bedrock-runtime';
import { AppError } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import { textAnswer } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import { inBedrock, modelJson, openConverseStream } from '../src/bedrock/index.ts';
import { longMs, question, refusalOf, titan, useBedrock } from './bedrock-suite.ts';

const shortMs = 50;
/** Of a stream that is not to be given up: a slow machine may be silent for a while itself. */
const idleTimeoutMs = 250;
const embedding = new InvokeModelCommand({ modelId: titan, body: JSON.stringify({ inputText: 'knee' }) });

describe('a call to Bedrock', () => {
  const suite = useBedrock();
  const send = (abortSignal: AbortSignal): Promise<unknown> => suite.runtime.send(embedding, { abortSignal });
  const allOver = (): Promise<unknown> =>
    eventually(() => suite.double.concurrent() === 0, { description: 'the double has seen it leave' });

  it('gives its answer, and leaves nothing on the signal', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener: add, removeEventListener: remove } = signal;
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove.apply(signal, args);
    };
    await inBedrock(send, { signal, timeoutMs: longMs });
    expect(listeners).to.equal(0);
  });

  it('is over when its time is, and ends at Bedrock', async () => {
    suite.double.fault({ kind: 'stall' });
    const { signal } = new AbortController();
    expect((await refusalOf(inBedrock(send, { signal, timeoutMs: shortMs }))).reason).to.equal('MODEL_TIMEOUT');
    await allOver();
    // On a slow machine the time may be over before the call has come.
    for (const { aborted } of suite.double.calls) expect(aborted).to.equal(true);
  });

  for (const [title, reason, expected] of [
    ['its caller leaves', undefined, 'CANCELLED'],
    ['its deadline is over', new DOMException('too late', 'TimeoutError'), 'DEADLINE_EXCEEDED'],
    ['its tenant is suspended', new AppError('TENANT_SUSPENDED'), 'TENANT_SUSPENDED'],
  ] as const) {
    it(`is over when ${title}, and ends at Bedrock`, async () => {
      suite.double.fault({ kind: 'stall' });
      const abort = new AbortController();
      const refused = refusalOf(inBedrock(send, { signal: abort.signal, timeoutMs: longMs }));
      await eventually(() => suite.double.concurrent() === 1, { description: 'the call has come' });
      abort.abort(reason);
      expect((await refused).reason).to.equal(expected);
      await allOver();
      expect(suite.double.calls[0]?.aborted).to.equal(true);
    });
  }

  it('is not made for a caller that has left', async () => {
    const bounds = { signal: AbortSignal.abort(), timeoutMs: longMs };
    expect((await refusalOf(inBedrock(send, bounds))).reason).to.equal('CANCELLED');
    expect(suite.double.calls).to.have.length(0);
  });
});

describe('the JSON of a model', () => {
  it('is read when it is whole, and MODEL_STREAM_BROKEN when it is not', () => {
    expect(modelJson(Buffer.from('{"a":1}'))).to.deep.equal({ a: 1 });
    for (const broken of [Buffer.from('{"a":'), Buffer.alloc(0), Buffer.from([0x22, 0xff, 0x22])]) {
      expect(() => modelJson(broken))
        .to.throw(AppError)
        .with.property('reason', 'MODEL_STREAM_BROKEN');
    }
  });
});

describe('an answer of Bedrock that is streamed', () => {
  const suite = useBedrock();
  const text = 'Twice a day, with food.';
  beforeEach(() => {
    suite.double.onConverse(() => textAnswer(text));
  });

  type Bounds = Partial<Parameters<typeof openConverseStream>[2]>;
  const open = (bounds: Bounds = {}): ReturnType<typeof openConverseStream> =>
    openConverseStream(suite.runtime, question, {
      signal: new AbortController().signal,
      firstEventTimeoutMs: longMs,
      idleTimeoutMs: longMs,
      ...bounds,
    });
  const textOf = (event: ConverseStreamOutput): string => event.contentBlockDelta?.delta?.text ?? '';
  async function read(bounds: Bounds = {}): Promise<string> {
    let all = '';
    for await (const event of await open(bounds)) all += textOf(event);
    return all;
  }
  async function expectAborted(): Promise<void> {
    await eventually(() => suite.double.concurrent() === 0, { description: 'the double has seen it leave' });
    for (const { aborted } of suite.double.calls) expect(aborted).to.equal(true);
  }

  it('is read to its end', async () => {
    expect(await read()).to.equal(text);
    await eventually(() => suite.double.concurrent() === 0, { description: 'the call is over' });
    expect(suite.double.calls[0]).to.include({ aborted: false });
  });

  it('is read past events that nobody knows', async () => {
    suite.double.fault({ kind: 'unknown-event-after', afterFrames: 3 });
    expect(await read()).to.equal(text);
  });

  for (const afterFrames of [0, 1, 4, 7, 8]) {
    it(`is never taken for complete when it ends after ${String(afterFrames)} of its nine events`, async () => {
      suite.double.fault({ kind: 'end-after', afterFrames });
      expect((await refusalOf(read())).reason).to.equal('MODEL_STREAM_BROKEN');
    });
  }

  it('may be begun once more until its first event', async () => {
    suite.double.fault({ kind: 'exception-after', afterFrames: 0, type: 'throttlingException' });
    expect((await refusalOf(open())).reason).to.equal('MODEL_THROTTLED');
    suite.double.clearFaults();
    suite.double.fault({ kind: 'end-after', afterFrames: 0 });
    expect((await refusalOf(open())).reason).to.equal('MODEL_STREAM_BROKEN');
  });

  it('ends at Bedrock when its reader leaves off', async () => {
    suite.double.fault({ kind: 'stall-after', afterFrames: 3 });
    for await (const event of await open()) if (textOf(event) !== '') break;
    await expectAborted();
  });

  it('ends at Bedrock when its caller leaves, also in the middle of a silence', async () => {
    suite.double.fault({ kind: 'stall-after', afterFrames: 3 });
    const abort = new AbortController();
    const refused = refusalOf(read({ signal: abort.signal }));
    await eventually(() => suite.double.calls[0]?.frames === 4, { description: 'it has fallen silent' });
    abort.abort();
    expect((await refused).reason).to.equal('CANCELLED');
    await expectAborted();
  });

  for (const [fault, title] of [
    [{ kind: 'stall' }, 'has no head'],
    [{ kind: 'stall-after', afterFrames: 0 }, 'has no event'],
  ] as const) {
    it(`is given up when it ${title} in time`, async () => {
      suite.double.fault(fault);
      expect((await refusalOf(open({ firstEventTimeoutMs: shortMs }))).reason).to.equal('MODEL_TIMEOUT');
      await expectAborted();
    });
  }

  it('is given up when it falls silent', async () => {
    suite.double.fault({ kind: 'stall-after', afterFrames: 3 });
    expect((await refusalOf(read({ idleTimeoutMs: shortMs }))).reason).to.equal('MODEL_TIMEOUT');
    await expectAborted();
  });

  it('may be read slowly', async () => {
    const slow = await open({ idleTimeoutMs });
    suite.double.fault({ kind: 'stall-after', afterFrames: 3 });
    let all = '';
    for await (const event of slow) {
      if (all === '' && textOf(event) !== '') {
        // The reader takes its time until one that waits, with the same bound and begun later, is given up.
        expect((await refusalOf(read({ idleTimeoutMs }))).reason).to.equal('MODEL_TIMEOUT');
      }
      all += textOf(event);
    }
    expect(all).to.equal(text);
  });
});
