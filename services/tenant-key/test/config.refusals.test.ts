import { refusesBadConfig } from '@wardstone/testing/config-contract';
import { loadConfig } from '../src/config.ts';

const complete = {
  WARDSTONE_PORT: '7106',
  WARDSTONE_SERVICE_KEY_FILE: '/keys/tenant-key.json',
  WARDSTONE_SERVICE_JWKS_FILE: '/keys/services.json',
  WARDSTONE_OIDC_ISSUER: 'http://127.0.0.1:7100',
  WARDSTONE_DATABASE_URL: 'postgres://wardstone@127.0.0.1/wardstone',
  WARDSTONE_KMS_DIR: '/data/kms',
  WARDSTONE_AUDIT_URL: 'http://127.0.0.1:7102',
};

describe('tenant-key configuration: refusals', () => {
  refusesBadConfig({
    load: loadConfig,
    complete,
    slip: { known: 'WARDSTONE_KEY_MAX_AGE_MS', written: 'WARDSTONE_KEY_MAX_AGE_M' },
    embedded: true,
  });
});
