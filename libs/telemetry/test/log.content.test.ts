import { Writable } from 'node:stream';
import { expect } from 'chai';
import { createTelemetry, describeError, requestContext, withSpan } from '../src/index.ts';

const secret = 'Mrs Abernathy has polycythaemia';

function recorded(logLevel = 'debug') {
  let text = '';
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const telemetry = createTelemetry({ service: 'test', version: '1', logLevel, destination });
  return {
    ...telemetry,
    text: () => text,
    line: () => JSON.parse(text.trimEnd().split('\n').at(-1) ?? '{}') as Record<string, unknown>,
  };
}

class AppError extends Error {
  override readonly name = 'AppError';
  readonly reason = 'DATABASE_UNAVAILABLE';
}

describe('a log line', () => {
  it('carries the request, the trace and the service', async () => {
    const { log, line, tracer } = recorded();
    const context = { requestId: 'r-1', tenantId: 't-1', caller: 'gateway', subject: 'u-1' };
    await requestContext.run(context, () =>
      withSpan(tracer, 'work', {}, async (span) => {
        await Promise.resolve();
        log.info({ count: 3 }, 'done');
        expect(line()).include({
          ...context,
          service: 'test',
          count: 3,
          msg: 'done',
          traceId: span.spanContext().traceId,
        });
      }),
    );
    expect(requestContext.get()).equal(undefined);
  });

  it('takes no line of a message for a frame', () => {
    const { log, text } = recorded();
    log.error({ err: new Error(`first\n    at Abernathy has polycythaemia\n    at x (${secret})`) }, 'failed');
    expect(text()).not.match(/Abernathy|polycythaemia/);
    expect(text()).match(/at .*log\.content\.test\.ts:\d+:\d+/);
  });

  it('cannot claim to be of another request', () => {
    const { log, line } = recorded();
    requestContext.run({ requestId: 'r-1' }, () => log.info({ requestId: 'r-2' }, 'x'));
    expect(line()).include({ requestId: 'r-1' });
  });

  it('withholds text under names that are not known to hold ids, however it is nested', () => {
    const { log, line, text } = recorded();
    log.info(
      { title: secret, fileName: secret, nested: { a: secret }, list: [secret], documentId: 'd-1', bytes: 1 },
      'x',
    );
    expect(line()).include({
      title: '[withheld]',
      fileName: '[withheld]',
      nested: '[withheld]',
      documentId: 'd-1',
      bytes: 1,
    });
    log.child({ query: secret, stage: 'embed' }).info('y');
    expect(line()).include({ query: '[withheld]', stage: 'embed' });
    log.info(
      { message: secret, buffer: Buffer.from(secret), date: new Date(0), map: new Map([[secret, secret]]) },
      'z',
    );
    log.info({ id: 'x'.repeat(1_000) }, 'long');
    expect(String(line()['id'])).length(256);
    expect(text()).not.include('Abernathy');
  });

  it('describes errors without their words, wherever they stand', () => {
    const { log, line, text } = recorded();
    const pg = Object.assign(new Error(`duplicate key (${secret})`), {
      code: '23505',
      detail: secret,
      where: secret,
      parameters: [secret],
    });
    const wrapped = new AppError('The database cannot be reached.', { cause: pg });
    log.error({ err: wrapped }, 'failed');
    expect(line()).deep.nested.include({
      'err.name': 'AppError',
      'err.reason': 'DATABASE_UNAVAILABLE',
      'err.message': 'The database cannot be reached.',
      'err.cause.code': '23505',
    });
    expect(line())
      .nested.property('err.cause.stack')
      .match(/log\.content\.test/);
    log.error(pg);
    expect(line()).include({ msg: 'no message' }).nested.include({ 'err.code': '23505' });
    log.error(pg, 'failed');
    log.error({ err: pg });
    log.error({ cause: pg, err: secret, error: { message: secret } }, 'failed');
    log.error('failed %s', secret);
    log.error({ err: new AggregateError([pg], secret) }, 'failed');
    log.error({ err: Object.assign(new Error(secret), { name: secret, code: secret }) }, 'failed');
    expect(text()).not.include('Abernathy');
  });

  it('is left out below the level', () => {
    const { log, text } = recorded('warn');
    log.info('x');
    expect(text()).equal('');
  });
});

describe('describeError', () => {
  it('is bounded: depth, frames, errors, and cycles', () => {
    const cycle = new Error('a');
    cycle.cause = cycle;
    expect(JSON.stringify(describeError(cycle)).length).below(20_000);
    const many = new AggregateError(Array.from({ length: 100 }, () => new Error('x')));
    expect(describeError(many).errors).length(4);
    expect(describeError('text')).deep.equal({ name: 'string' });
    expect(describeError(null)).deep.equal({ name: 'null' });
  });
});
