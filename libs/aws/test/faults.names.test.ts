import { expect } from 'chai';
import { awsFault, tenantKeyAlias } from '../src/index.ts';

function errorOf(name: string, httpStatusCode?: number, message = ''): Error {
  const metadata = httpStatusCode === undefined ? {} : { $metadata: { httpStatusCode } };
  return Object.assign(new Error(message), { name }, metadata);
}

describe('faults of AWS', () => {
  const cases: [string, Error, string][] = [
    ['a name of throttling', errorOf('SlowDown', 503), 'throttled'],
    ['a status of throttling', errorOf('Whatever', 429), 'throttled'],
    ['a name of expired credentials', errorOf('ExpiredToken', 400), 'credentials-expired'],
    ['a name of skew, whatever the status', errorOf('RequestTimeTooSkewed', 403), 'clock-skew'],
    ['a signature that is too old', errorOf('InvalidSignatureException', 400, 'Signature expired: …'), 'clock-skew'],
    ['a signature that is wrong', errorOf('InvalidSignatureException', 400, 'The signature …'), 'access-denied'],
    ['a 403 without a body, as HEAD has it', errorOf('403', 403), 'access-denied'],
    ['a fault of the service', errorOf('InternalError', 500), 'unavailable'],
    ['a time-out', errorOf('TimeoutError'), 'unavailable'],
    ['a broken connection', Object.assign(new Error(), { code: 'ECONNRESET' }), 'unavailable'],
    ['a good status with a broken body', errorOf('SyntaxError', 200), 'unavailable'],
    ['no credentials', errorOf('CredentialsProviderError'), 'unavailable'],
    ['a malformed request', errorOf('ValidationException', 400), 'refused'],
    ['a fault of the program', new TypeError('x is undefined'), 'refused'],
  ];
  for (const [title, error, fault] of cases) {
    it(`${title}: ${fault}`, () => {
      expect(awsFault(error)).to.equal(fault);
    });
  }

  it('are none of what is no error', () => {
    expect(awsFault('throttled')).to.equal('refused');
  });
});

describe('the alias of a tenant’s key', () => {
  it('holds prefix and tenant, and nothing else can be put in', () => {
    const tenantId = '01890000-0000-7000-8000-00000000000a';
    expect(tenantKeyAlias('wardstone', tenantId)).to.equal(`alias/wardstone/${tenantId}`);
    for (const bad of ['', '..', tenantId.toUpperCase(), `${tenantId}/x`]) {
      expect(() => tenantKeyAlias('wardstone', bad)).to.throw(/lower-case UUID/);
    }
  });
});
