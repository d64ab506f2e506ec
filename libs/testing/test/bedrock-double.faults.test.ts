import type { ConverseStreamOutput } from '@aws-sdk/client-bedrock-runtime';
import { expect } from 'chai';
import { bedrockErrors, textAnswer, type BedrockErrorType, type BedrockFault } from '../src/bedrock/index.ts';
import { eventually } from '../src/eventually.ts';
import { asking, embed, everyOperation, failureOf, stream, textOf, titan, useDouble } from './bedrock-clients.ts';

const answer = 'Twice a day, with food.';
/** messageStart, a delta for each word, contentBlockStop, messageStop, metadata. */
const framesOfAnswer = 9;

describe('the Bedrock double: faults', () => {
  const suite = useDouble();
  beforeEach(() => {
    suite.double.onConverse(() => textAnswer(answer));
  });

  for (const [operation, call] of everyOperation) {
    describe(`of ${operation}`, () => {
      for (const [type, status] of Object.entries(bedrockErrors)) {
        it(`${type}, by name and status`, async () => {
          suite.double.fault({ kind: 'error', type: type as BedrockErrorType, message: 'no', retryAfterSeconds: 3 });
          const failure = await failureOf(call(suite));
          expect(failure).to.include({ name: type, message: 'no' });
          expect(failure.$metadata?.httpStatusCode).to.equal(status);
          expect(failure).to.have.nested.property('$response.headers.retry-after', '3');
          expect(suite.double.calls).to.have.length(1);
          expect(suite.double.calls[0]).to.include({ operation, status, error: type, aborted: false });
        });
      }

      it('a reset connection, and the next call has another one', async () => {
        suite.double.fault({ kind: 'cut' }, { next: 1 });
        expect(await failureOf(call(suite))).to.include({ code: 'ECONNRESET' });
        await call(suite);
      });

      it('a page of something between', async () => {
        suite.double.fault({ kind: 'gateway-page', status: 502 }, { next: 1 });
        const failure = await failureOf(call(suite));
        expect(failure.name).to.equal('SyntaxError');
        expect(failure.$metadata?.httpStatusCode).to.equal(502);
        await call(suite);
      });

      it('silence, until the client leaves', async () => {
        suite.double.fault({ kind: 'stall' });
        const abort = new AbortController();
        const failure = failureOf(call(suite, abort.signal));
        await eventually(() => suite.double.concurrent() === 1, { description: 'the call has come' });
        abort.abort();
        expect((await failure).name).to.equal('AbortError');
        await eventually(() => suite.double.concurrent() === 0, { description: 'the double has seen it leave' });
        expect(suite.double.calls[0]).to.include({ aborted: true, status: undefined });
      });

      it('a connection that is asked to go away: the call is answered, and the next one has another', async () => {
        suite.double.fault({ kind: 'go-away' }, { next: 1 });
        await call(suite);
        await call(suite);
        expect(suite.double.connections()).to.equal(2);
      });
    });
  }

  const inTheMiddle: BedrockFault[] = [
    { kind: 'broken-json' },
    { kind: 'cut-after', afterFrames: 0 },
    { kind: 'reset-after', afterFrames: 0 },
    { kind: 'end-after', afterFrames: 0 },
  ];
  for (const fault of inTheMiddle) {
    for (const [operation, call] of everyOperation) {
      if (operation === 'ConverseStream') continue;
      it(`of ${operation} in the middle of its JSON: ${fault.kind}`, async () => {
        suite.double.fault(fault, { next: 1 });
        const { message } = await failureOf(call(suite));
        // The client takes a body that broke off for one that ended, unless it hears of the connection first.
        expect(message).to.match(fault.kind === 'cut-after' ? /JSON|ECONNRESET/ : /JSON/);
        await call(suite);
      });
    }
  }

  describe('of a stream that has begun', () => {
    const exceptions = [
      ['internalServerException', 'InternalServerException'],
      ['modelStreamErrorException', 'ModelStreamErrorException'],
      ['validationException', 'ValidationException'],
      ['throttlingException', 'ThrottlingException'],
      ['serviceUnavailableException', 'ServiceUnavailableException'],
      // ConverseStream has no such event: the client makes an error of the name.
      ['modelTimeoutException', 'modelTimeoutException'],
    ] as const;
    for (const [type, name] of exceptions) {
      for (const afterFrames of [0, 3]) {
        it(`${type} after ${String(afterFrames)} frames`, async () => {
          suite.double.fault({ kind: 'exception-after', afterFrames, type, message: 'no' });
          let events = 0;
          const failure = await failureOf(stream(suite, asking('How often?'), { look: () => (events += 1) }));
          expect(failure.name).to.equal(name);
          expect(events).to.equal(afterFrames);
          expect(suite.double.calls[0]).to.include({ status: 200, error: type, frames: afterFrames + 1 });
        });
      }
    }

    const breaks: [BedrockFault, object][] = [
      [{ kind: 'bad-checksum-after', afterFrames: 2 }, { name: 'Error' }],
      [{ kind: 'half-frame-after', afterFrames: 2 }, { name: 'Error' }],
      [{ kind: 'error-frame-after', afterFrames: 2, code: 'Overload', message: 'no' }, { name: 'Overload' }],
    ];
    for (const [fault, expected] of breaks) {
      it(`${fault.kind}: the events before it, and then an error`, async () => {
        suite.double.fault(fault);
        let events = 0;
        const failure = await failureOf(stream(suite, asking('How often?'), { look: () => (events += 1) }));
        expect(failure).to.include(expected);
        expect(events).to.equal(2);
      });
    }

    for (const kind of ['end-after', 'reset-after', 'cut-after'] as const) {
      it(`${kind}: to the client it is an answer that has ended, without its last events`, async () => {
        suite.double.fault({ kind, afterFrames: 3 });
        const events: ConverseStreamOutput[] = [];
        const ended = stream(suite, asking('How often?'), { look: (event) => events.push(event) });
        // Of a connection that is reset it may hear in time.
        if (kind === 'cut-after') await ended.catch(() => undefined);
        else expect(textOf(await ended)).to.equal('Twice a');
        expect(events.some(({ messageStop }) => messageStop !== undefined)).to.equal(false);
      });
    }

    it('an event that the client does not know: it leaves it out', async () => {
      suite.double.fault({ kind: 'unknown-event-after', afterFrames: 2, type: 'somethingNew' });
      const events = await stream(suite, asking('How often?'));
      expect(textOf(events)).to.equal(answer);
      expect(events).to.have.length(framesOfAnswer);
      expect(suite.double.calls[0]?.frames).to.equal(framesOfAnswer + 1);
    });

    for (const afterFrames of [0, 3]) {
      it(`silence after ${String(afterFrames)} frames, until the client leaves`, async () => {
        suite.double.fault({ kind: 'stall-after', afterFrames });
        const abort = new AbortController();
        const left = stream(suite, asking('How often?'), { signal: abort.signal });
        await eventually(() => suite.double.calls[0]?.frames === afterFrames + 1, {
          description: 'the frames are sent',
        });
        abort.abort();
        // The client ends the stream of an aborted call as if it were complete, once it has its head.
        const seen = await left.catch(() => []);
        expect(seen.length).to.be.at.most(afterFrames);
        await eventually(() => suite.double.concurrent() === 0, { description: 'the double has seen it leave' });
        expect(suite.double.calls[0]).to.include({ aborted: true, status: 200 });
      });
    }

    it('strikes at the end of an answer that is shorter', async () => {
      suite.double.fault({ kind: 'exception-after', afterFrames: 1_000, type: 'throttlingException' });
      let events = 0;
      const failure = await failureOf(stream(suite, asking('How often?'), { look: () => (events += 1) }));
      expect(failure.name).to.equal('ThrottlingException');
      expect(events).to.equal(framesOfAnswer);
    });
  });

  describe('by choice', () => {
    const throttling: BedrockFault = { kind: 'error', type: 'ThrottlingException' };
    const outcomes = async (calls: number): Promise<string> => {
      let marks = '';
      for (let call = 0; call < calls; call += 1) {
        marks += await embed(suite, 'knee').then(
          () => '.',
          () => 'x',
        );
      }
      return marks;
    };

    it('happen to the next calls', async () => {
      suite.double.fault(throttling, { next: 2 });
      expect(await outcomes(4)).to.equal('xx..');
    });

    it('happen to every n-th call', async () => {
      suite.double.fault(throttling, { every: 3 });
      expect(await outcomes(7)).to.equal('..x..x.');
    });

    it('happen to a share of the calls', async () => {
      suite.double.fault(throttling, { share: 0.25 });
      expect(await outcomes(8)).to.equal('...x...x');
    });

    it('happen until they are taken away', async () => {
      const remove = suite.double.fault(throttling);
      expect(await outcomes(2)).to.equal('xx');
      remove();
      expect(await outcomes(2)).to.equal('..');
    });

    it('happen to one operation and one model', async () => {
      suite.double.fault(throttling, { operation: 'ConverseStream' });
      suite.double.fault(throttling, { model: 'another' });
      expect(await outcomes(1)).to.equal('.');
      expect((await failureOf(stream(suite, asking('How often?')))).name).to.equal('ThrottlingException');
      suite.double.clearFaults();
      suite.double.fault(throttling, { model: titan });
      expect(await outcomes(1)).to.equal('x');
    });

    it('happen while too many calls are in flight', async () => {
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      suite.double.onInvoke(async () => {
        await held;
        return { body: {}, inputTokens: 0 };
      });
      suite.double.fault(throttling, { whileConcurrentAbove: 2 });
      const both = [embed(suite, 'one'), embed(suite, 'two')];
      await eventually(() => suite.double.concurrent() === 2, { description: 'two calls are in flight' });
      expect((await failureOf(embed(suite, 'three'))).name).to.equal('ThrottlingException');
      release();
      await Promise.all(both);
      expect(suite.double.peakConcurrent()).to.equal(3);
      expect(suite.double.calls.map(({ concurrentAtStart }) => concurrentAtStart)).to.deep.equal([1, 2, 3]);
    });
  });
});
