import { ConfigError } from '@wardstone/config';
import { refusesBadConfig } from '@wardstone/testing/config-contract';
import { expect } from 'chai';
import { limitsOf, loadConfig } from '../src/config.ts';

const required = {
  WARDSTONE_PORT: '8080',
  WARDSTONE_SERVICE_KEY_FILE: '/run/keys/gateway.json',
  WARDSTONE_OIDC_ISSUER: 'https://issuer.example',
  WARDSTONE_INGESTION_URL: 'http://ingestion:7101',
  WARDSTONE_RETRIEVAL_URL: 'http://retrieval:7103',
  WARDSTONE_LLM_URL: 'http://llm:7104',
  WARDSTONE_TENANT_KEY_URL: 'http://tenant-key:7106',
  WARDSTONE_AUDIT_URL: 'http://audit:7105',
};

describe('the configuration', () => {
  refusesBadConfig({
    load: loadConfig,
    complete: required,
    slip: { known: 'WARDSTONE_HEARTBEAT_MS', written: 'WARDSTONE_HEARTBEAT_M' },
    embedded: false,
  });

  it('needs addresses and keys, and has a bound for everything else', () => {
    const config = loadConfig(required);
    expect(config.WARDSTONE_CORS_ORIGINS).to.deep.equal([]);
    const limits = limitsOf(config);
    expect(limits.jsonUploadMaxBytes).to.equal(64 * 1024 * 1024);
    expect(limits.heartbeatMs).to.equal(15_000);
    for (const [name, value] of Object.entries(limits)) expect(value, name).to.be.a('number').above(0);
    expect(Object.isFrozen(config)).to.equal(true);
  });

  it('names everything that is missing, unknown or not valid', () => {
    const wrong = {
      ...required,
      WARDSTONE_LLM_URL: 'llm:7104',
      WARDSTONE_HEARTBEAT_MS: 'soon',
      WARDSTONE_COLOUR: 'red',
    };
    expect(() => loadConfig({ ...wrong, WARDSTONE_PORT: undefined }))
      .to.throw(ConfigError)
      .with.property('problems')
      .that.satisfies((problems: string[]) =>
        ['WARDSTONE_LLM_URL', 'WARDSTONE_HEARTBEAT_MS', 'WARDSTONE_COLOUR', 'WARDSTONE_PORT'].every((name) =>
          problems.some((problem) => problem.startsWith(`${name}:`)),
        ),
      );
  });

  it('takes no variables of servers that the gateway is not', () => {
    for (const name of ['WARDSTONE_SERVICE_JWKS_FILE', 'WARDSTONE_REFLECTION', 'WARDSTONE_DATABASE_URL']) {
      expect(() => loadConfig({ ...required, [name]: 'on' })).to.throw(ConfigError);
    }
  });
});
