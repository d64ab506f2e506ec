import { ConfigError } from '@wardstone/config';
import { refusesBadConfig } from '@wardstone/testing/config-contract';
import { expect } from 'chai';
import { extractionLimits, limitsOf, loadConfig } from '../src/config.ts';

const required = {
  WARDSTONE_PORT: '7101',
  WARDSTONE_SERVICE_KEY_FILE: '/keys/ingestion.json',
  WARDSTONE_SERVICE_JWKS_FILE: '/keys/services.json',
  WARDSTONE_OIDC_ISSUER: 'https://issuer.example',
  WARDSTONE_DATABASE_URL: 'postgres://app@db/wardstone',
  WARDSTONE_QUEUE_DATABASE_URL: 'postgres://queue@db/wardstone',
  WARDSTONE_OBJECTS_DIR: '/data/objects',
  WARDSTONE_TENANT_KEY_URL: 'http://tenant-key:7106',
  WARDSTONE_AUDIT_URL: 'http://audit:7105',
  WARDSTONE_RETRIEVAL_URL: 'http://retrieval:7103',
};

describe('configuration', () => {
  refusesBadConfig({
    load: loadConfig,
    complete: required,
    slip: { known: 'WARDSTONE_MAX_UPLOAD_BYTES', written: 'WARDSTONE_MAX_UPLOAD_BYTE' },
    embedded: true,
  });

  it('has a default for every bound', () => {
    const config = loadConfig(required);
    expect(limitsOf(config)).to.include({ maxUploadBytes: 2 ** 31, maxExtractBytes: 2 ** 28 });
    expect(extractionLimits(config).limits).to.include({ maxPages: 5_000, timeoutMs: 120_000 });
    expect(config.queueBackend).to.deep.equal({ postgresUrl: required.WARDSTONE_QUEUE_DATABASE_URL });
    expect(Object.isFrozen(config)).to.equal(true);
  });

  it('prefers Redis for the queue when it is given, and needs one of the two', () => {
    const { WARDSTONE_QUEUE_DATABASE_URL: _queue, ...none } = required;
    expect(loadConfig({ ...required, WARDSTONE_REDIS_URL: 'redis://r' }).queueBackend).to.deep.equal({
      redisUrl: 'redis://r',
    });
    expect(() => loadConfig(none)).to.throw(ConfigError, 'WARDSTONE_QUEUE_DATABASE_URL');
  });

  it('refuses values that make no sense', () => {
    expect(() => loadConfig({ ...required, WARDSTONE_MAX_PAGES: '0' })).to.throw(ConfigError, 'WARDSTONE_MAX_PAGES');
  });

  it('gives a tenant its share of the extraction processes, and at least one', () => {
    const perTenant = (concurrency: number, percent: number) =>
      extractionLimits(
        loadConfig({
          ...required,
          WARDSTONE_EXTRACT_CONCURRENCY: String(concurrency),
          WARDSTONE_EXTRACT_TENANT_SHARE_PERCENT: String(percent),
        }),
      ).perTenant;
    expect([perTenant(1, 50), perTenant(3, 50), perTenant(8, 25), perTenant(8, 100)]).to.deep.equal([1, 1, 2, 8]);
    expect(() => perTenant(4, 101)).to.throw(ConfigError, 'WARDSTONE_EXTRACT_TENANT_SHARE_PERCENT');
  });

  it('takes no fewer jobs than it can work on', () => {
    const windowOf = (concurrency: number, window?: string) =>
      loadConfig({
        ...required,
        WARDSTONE_EXTRACT_CONCURRENCY: String(concurrency),
        WARDSTONE_EXTRACT_WINDOW: window,
      }).extractWindow;
    expect([windowOf(4), windowOf(100), windowOf(4, '4')]).to.deep.equal([64, 400, 4]);
    expect(() => windowOf(4, '3')).to.throw(ConfigError, 'WARDSTONE_EXTRACT_WINDOW');
  });
});
