import { Code, ConnectError } from '@connectrpc/connect';
import { expect } from 'chai';
import { AppError, type Reason, isTransient, needs, reasons } from '../src/index.ts';
import { toWire } from '../src/to-wire.ts';

describe('AppError on the wire', () => {
  const names = Object.keys(reasons) as Reason[];

  it('comes back as it went, for every reason', () => {
    for (const reason of names) {
      const sent = new AppError(reason, {
        message: 'Said in other words.',
        violations: [{ field: 'a.b[1]', description: 'must be short' }],
        retryAfterMs: 1_234,
        metadata: { documentId: 'd-1' },
      });
      const { code, details, rawMessage } = toWire(sent);
      // As a client sees it: details serialised, no cause, no object shared with the sender.
      const received = new ConnectError(rawMessage, code);
      received.details = details;
      const back = AppError.from(received);
      expect(back).not.equal(sent);
      expect({ ...back, message: back.message, cause: undefined }).deep.equal({
        ...sent,
        message: sent.message,
        cause: undefined,
      });
    }
  });

  it('takes message and retry time from the catalogue where nothing else is said', () => {
    const error = new AppError('AUDIT_UNAVAILABLE');
    expect(error.message).equal(reasons.AUDIT_UNAVAILABLE.message);
    expect(error.retryAfterMs).equal(2_000);
    expect(error.code).equal(Code.Unavailable);
    expect(error.status).equal(503);
  });

  it('says nothing of an error nobody foresaw, and keeps it as the cause', () => {
    const cause = new Error('duplicate key (name)=(Abernathy)');
    const wire = toWire(AppError.from(cause));
    expect(wire.code).equal(Code.Internal);
    expect(wire.rawMessage).equal(reasons.INTERNAL.message);
    expect(wire.details.map((detail) => ('desc' in detail ? detail.value : undefined))).deep.equal([
      { reason: 'INTERNAL', domain: 'wardstone', metadata: {} },
    ]);
    expect(AppError.from(cause).cause).equal(cause);
  });

  it('gives errors that carry no reason, or one of a newer peer, the nearest reason for their code', () => {
    expect(AppError.from(new ConnectError('x', Code.Unavailable)).reason).equal('SERVICE_UNAVAILABLE');
    expect(AppError.from(new ConnectError('x', Code.Unauthenticated)).reason).equal('UNAUTHENTICATED');
    const newer = toWire(new AppError('DOCUMENT_NOT_FOUND'));
    const info = newer.details[0];
    if (!info || !('desc' in info)) throw new Error('no detail');
    const unknown = new ConnectError('x', Code.NotFound, undefined, [
      { desc: info.desc, value: { reason: 'FROM_THE_FUTURE', domain: 'wardstone' } },
    ]);
    expect(AppError.from(unknown).reason).equal('NOT_FOUND');
  });

  it('tells an abort and a time-out from a fault', () => {
    expect(AppError.from(AbortSignal.abort().reason).reason).equal('CANCELLED');
    expect(AppError.from(new DOMException('', 'TimeoutError')).reason).equal('DEADLINE_EXCEEDED');
    expect(AppError.from('a string').reason).equal('INTERNAL');
  });

  it('needs() throws the reason when the condition does not hold', () => {
    expect(() => needs(false, 'EMPTY_FILE'))
      .throws(AppError)
      .with.property('reason', 'EMPTY_FILE');
    expect(() => needs(0, 'EMPTY_FILE')).throws(AppError);
    expect(() => needs('x', 'EMPTY_FILE')).not.throw();
  });

  it('knows which reasons go away by waiting', () => {
    expect(isTransient('DATABASE_UNAVAILABLE')).equal(true);
    expect(isTransient('DEADLINE_EXCEEDED')).equal(true);
    expect(isTransient('PDF_CORRUPT')).equal(false);
    expect(isTransient('INTERNAL')).equal(false);
  });
});
