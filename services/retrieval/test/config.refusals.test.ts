import { expect } from 'chai';
import { refusesBadConfig } from '@wardstone/testing/config-contract';
import { limitsOf, loadConfig } from '../src/config.ts';

const complete = {
  WARDSTONE_PORT: '7105',
  WARDSTONE_SERVICE_KEY_FILE: '/keys/retrieval.json',
  WARDSTONE_SERVICE_JWKS_FILE: '/keys/services.json',
  WARDSTONE_OIDC_ISSUER: 'http://127.0.0.1:7100',
  WARDSTONE_DATABASE_URL: 'postgres://wardstone_retrieval@127.0.0.1/wardstone',
  WARDSTONE_QUEUE_DATABASE_URL: 'postgres://wardstone_queue@127.0.0.1/wardstone',
  WARDSTONE_OBJECTS_DIR: '/data/objects',
  WARDSTONE_TENANT_KEY_URL: 'http://127.0.0.1:7101',
  WARDSTONE_AUDIT_URL: 'http://127.0.0.1:7102',
  WARDSTONE_EMBEDDING_URL: 'http://127.0.0.1:7103',
};

describe('retrieval configuration: refusals', () => {
  refusesBadConfig({
    load: loadConfig,
    complete,
    slip: { known: 'WARDSTONE_INDEX_CONCURRENCY', written: 'WARDSTONE_INDEX_CONCURENCY' },
    embedded: true,
  });

  it('has defaults', () => {
    const config = loadConfig(complete);
    expect(config.WARDSTONE_INDEX_CONCURRENCY).to.equal(2);
    expect(limitsOf(config)).to.deep.equal({ maxSearches: 32, tenantSlotPercent: 50 });
    expect(config.queueBackend).to.deep.equal({ postgresUrl: complete.WARDSTONE_QUEUE_DATABASE_URL });
  });

  it('prefers Redis when both queues are named', () => {
    const config = loadConfig({ ...complete, WARDSTONE_REDIS_URL: 'redis://127.0.0.1:6379' });
    expect(config.queueBackend).to.deep.equal({ redisUrl: 'redis://127.0.0.1:6379' });
  });
});
