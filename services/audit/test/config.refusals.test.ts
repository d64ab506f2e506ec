import { refusesBadConfig } from '@wardstone/testing/config-contract';
import { loadConfig } from '../src/config.ts';

const complete = {
  WARDSTONE_PORT: '7106',
  WARDSTONE_SERVICE_KEY_FILE: '/keys/audit.json',
  WARDSTONE_SERVICE_JWKS_FILE: '/keys/services.json',
  WARDSTONE_OIDC_ISSUER: 'http://127.0.0.1:7100',
  WARDSTONE_DATABASE_URL: 'postgres://wardstone@127.0.0.1/wardstone',
};

describe('audit configuration: refusals', () => {
  refusesBadConfig({
    load: loadConfig,
    complete,
    slip: { known: 'WARDSTONE_DATABASE_URL', written: 'WARDSTONE_DATABASE_UR' },
    embedded: false,
  });
});
