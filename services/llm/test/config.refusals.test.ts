import { expect } from 'chai';
import { refusesBadConfig } from '@wardstone/testing/config-contract';
import { loadConfig } from '../src/config.ts';

const complete = {
  WARDSTONE_PORT: '7105',
  WARDSTONE_SERVICE_KEY_FILE: '/keys/llm.json',
  WARDSTONE_SERVICE_JWKS_FILE: '/keys/services.json',
  WARDSTONE_OIDC_ISSUER: 'http://127.0.0.1:7100',
  WARDSTONE_DATABASE_URL: 'postgres://wardstone_llm@127.0.0.1/wardstone',
  WARDSTONE_TENANT_KEY_URL: 'http://127.0.0.1:7101',
  WARDSTONE_RETRIEVAL_URL: 'http://127.0.0.1:7103',
  WARDSTONE_AUDIT_URL: 'http://127.0.0.1:7102',
};

describe('llm configuration: refusals', () => {
  refusesBadConfig({
    load: loadConfig,
    complete,
    slip: { known: 'WARDSTONE_LLM_MAX_ANSWERS', written: 'WARDSTONE_LLM_MAX_ANSWER' },
    embedded: true,
  });

  it('has defaults', () => {
    expect(loadConfig(complete).WARDSTONE_LLM_MAX_ANSWERS).to.equal(64);
  });
});
