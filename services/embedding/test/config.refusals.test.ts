import { expect } from 'chai';
import { ConfigError } from '@wardstone/config';
import { loadConfig } from '../src/config.ts';

const complete = {
  WARDSTONE_PORT: '7105',
  WARDSTONE_SERVICE_KEY_FILE: '/keys/embedding.json',
  WARDSTONE_SERVICE_JWKS_FILE: '/keys/services.json',
  WARDSTONE_OIDC_ISSUER: 'http://127.0.0.1:7100',
  WARDSTONE_QUEUE_DATABASE_URL: 'postgres://wardstone_queue@127.0.0.1/wardstone',
  WARDSTONE_OBJECTS_DIR: '/data/objects',
  WARDSTONE_TENANT_KEY_URL: 'http://127.0.0.1:7101',
  WARDSTONE_AUDIT_URL: 'http://127.0.0.1:7102',
};

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe('embedding configuration: refusals', () => {
  it('takes what is complete, with defaults', () => {
    const config = loadConfig(complete);
    expect(config.WARDSTONE_EMBED_CONCURRENCY).to.equal(2);
    expect(config.queueBackend).to.deep.equal({ postgresUrl: complete.WARDSTONE_QUEUE_DATABASE_URL });
  });

  it('prefers Redis when both queues are named', () => {
    const config = loadConfig({ ...complete, WARDSTONE_REDIS_URL: 'redis://127.0.0.1:6379' });
    expect(config.queueBackend).to.deep.equal({ redisUrl: 'redis://127.0.0.1:6379' });
  });

  for (const name of Object.keys(complete)) {
    it(`needs ${name}`, () => {
      expect(problemsOf({ ...complete, [name]: '' })[0]).to.match(new RegExp(`^${name}: is required`));
    });
  }

  it('refuses a variable that it does not know', () => {
    expect(problemsOf({ ...complete, WARDSTONE_EMBED_CONCURENCY: '2' })[0]).to.match(
      /did you mean WARDSTONE_EMBED_CONCURRENCY/,
    );
  });

  it('refuses its embedded model in production, unless told twice', () => {
    const production = { ...complete, NODE_ENV: 'production' };
    expect(problemsOf(production)[0]).to.match(/^NODE_ENV: is production/);
    expect(problemsOf({ ...production, WARDSTONE_ALLOW_EMBEDDED: 'yes' })).to.have.length(1);
    expect(problemsOf({ ...production, WARDSTONE_ALLOW_EMBEDDED: 'yes-this-is-not-production' })).to.deep.equal([]);
  });
});
