import { expect } from 'chai';
import { judge, parseStageJob, stageJobId } from '../src/index.ts';
import { AppError, reasons, type Reason } from '@wardstone/rpc';
import { newJob } from './support/suite.ts';

describe('stage jobs', () => {
  it('are taken as they are when valid, to the boundary', () => {
    for (const job of [
      newJob(),
      newJob({ version: 2_147_483_647, requestId: 'a'.repeat(128), requestedBy: '~'.repeat(255) }),
      newJob({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }),
    ]) {
      expect(parseStageJob(job)).to.deep.equal(job);
    }
  });

  it('are refused beyond the boundary', () => {
    for (const job of [
      newJob({ version: 2_147_483_648 }),
      newJob({ version: 1.5 }),
      newJob({ requestId: '' }),
      newJob({ requestId: 'a'.repeat(129) }),
      newJob({ requestedBy: 'Mr Smith' }),
      newJob({ traceparent: '00-xyz' }),
      { ...newJob(), text: 'x' },
      null,
      'job',
    ]) {
      expect(() => parseStageJob(job)).to.throw();
    }
  });

  it('have ids without the character that BullMQ reserves, one for each stage and version', () => {
    const job = newJob();
    const ids = [stageJobId('extract', job), stageJobId('embed', job), stageJobId('extract', { ...job, version: 2 })];
    expect(new Set(ids).size).to.equal(3);
    expect(ids.join('')).not.to.include(':');
  });
});

describe('judging failures', () => {
  const verdictOf = (reason: Reason): string => judge(new AppError(reason)).verdict;

  it('waits for what is away, gives up on what is wrong with the document, and is unsure of the rest', () => {
    expect(
      ['MODEL_UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RATE_LIMITED'].map((reason) => verdictOf(reason as Reason)),
    ).to.deep.equal(['wait', 'wait', 'wait']);
    expect(['PDF_CORRUPT', 'NO_TEXT', 'EXTRACTION_TIMEOUT'].map((reason) => verdictOf(reason as Reason))).to.deep.equal(
      ['permanent', 'permanent', 'permanent'],
    );
    expect(judge(new Error('boom'))).to.deep.equal({ verdict: 'unsure', reason: 'INTERNAL' });
    expect(judge('boom')).to.deep.equal({ verdict: 'unsure', reason: 'INTERNAL' });
    expect(verdictOf('CALLER_NOT_ACCEPTED')).to.equal('unsure');
    expect(verdictOf('KMS_THROTTLED')).to.equal('wait');
    expect(verdictOf('KEY_DISABLED')).to.equal('wait');
    expect(verdictOf('MODEL_INPUT_INVALID')).to.equal('permanent');
  });

  it('waits for an operator where the account, the credentials or the clocks are wrong', () => {
    const denied = ['KMS_ACCESS_DENIED', 'OBJECT_STORE_ACCESS_DENIED', 'MODEL_ACCESS_DENIED'] as const;
    for (const reason of [...denied, 'MODEL_NOT_FOUND', 'CREDENTIALS_EXPIRED', 'CLOCK_SKEW'] as const) {
      expect(verdictOf(reason), reason).to.equal('wait');
    }
  });

  it('waits for every reason of the catalogue that says when to come back', () => {
    for (const reason of Object.keys(reasons) as Reason[]) {
      if ('retryAfterMs' in reasons[reason]) expect(verdictOf(reason), reason).to.equal('wait');
    }
  });
});
