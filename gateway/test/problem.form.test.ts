import { AppError, type Reason, reasons } from '@wardstone/rpc';
import { expect } from 'chai';
import { challenge } from '../src/auth/bearer.ts';
import { asAppError, asUpstreamError, retryAfterSeconds, toProblem } from '../src/problem.ts';

const all = Object.keys(reasons) as Reason[];

describe('a problem', () => {
  it('has a stable type, the title and the status of its reason, for every reason there is', () => {
    for (const reason of all) {
      const problem = toProblem(new AppError(reason), 'r-1');
      expect(problem).to.deep.equal({
        type: `urn:wardstone:problem:${reason}`,
        title: reasons[reason].message,
        status: reasons[reason].status,
        reason,
        requestId: 'r-1',
      });
    }
  });

  it('holds neither cause nor stack', () => {
    const error = new AppError('INTERNAL', { cause: new Error('secret'), metadata: { limit: '5' } });
    expect(JSON.stringify(toProblem(error, 'r-1'))).not.to.match(/secret|stack|cause|problem\.form/);
  });

  it('tells nothing more of what was not found, whoever says it', () => {
    const told = new AppError('DOCUMENT_NOT_FOUND', { message: 'It belongs to another tenant.' });
    expect(toProblem(told, 'r')).to.deep.equal(toProblem(new AppError('DOCUMENT_NOT_FOUND'), 'r'));
  });

  it('says how long to wait in whole seconds, where waiting helps', () => {
    expect(retryAfterSeconds(new AppError('RATE_LIMITED', { retryAfterMs: 1 }))).to.equal(1);
    expect(retryAfterSeconds(new AppError('RATE_LIMITED', { retryAfterMs: 1001 }))).to.equal(2);
    expect(retryAfterSeconds(new AppError('INVALID_ARGUMENT'))).to.equal(undefined);
    for (const reason of all) {
      // A quota comes back later than a service that is restarted.
      const seconds = reason === 'MODEL_QUOTA_EXCEEDED' ? 60 : 2;
      if (reasons[reason].status === 503) expect(retryAfterSeconds(new AppError(reason)), reason).to.equal(seconds);
    }
  });

  it("does not blame the user's token for a service that refuses the gateway's", () => {
    for (const reason of ['UNAUTHENTICATED', 'TOKEN_EXPIRED', 'TOKEN_INVALID', 'CALLER_NOT_ACCEPTED'] as const) {
      expect(asUpstreamError(new AppError(reason)).reason).to.equal('INTERNAL');
    }
    expect(asUpstreamError(new AppError('PERMISSION_DENIED')).reason).to.equal('PERMISSION_DENIED');
  });

  it('takes what nobody expected for INTERNAL, and what the framework refuses for what it is', () => {
    for (const thrown of [new Error('x'), 'text', undefined, null, { code: 5 }]) {
      expect(asAppError(thrown).reason).to.equal('INTERNAL');
    }
    expect(asAppError(Object.assign(new Error('x'), { code: 'FST_ERR_CTP_BODY_TOO_LARGE' })).reason).to.equal(
      'BODY_TOO_LARGE',
    );
  });

  it('challenges for a token exactly where another token would help', () => {
    for (const reason of all) {
      const { status } = reasons[reason];
      if (status === 401) expect(challenge(reason), reason).to.match(/^Bearer realm="wardstone"/);
      else if (status !== 403) expect(challenge(reason), reason).to.equal(undefined);
    }
  });
});
