import { expect } from 'chai';
import { refusesBadConfig } from '@wardstone/testing/config-contract';
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

const titanInProduction = {
  NODE_ENV: 'production',
  WARDSTONE_OBJECTS_DIR: '',
  WARDSTONE_S3_BUCKET: 'bucket',
  WARDSTONE_S3_REGION: 'us-east-1',
  WARDSTONE_EMBEDDING_MODEL: 'titan',
  WARDSTONE_BEDROCK_REGION: 'us-east-1',
};

describe('embedding configuration: refusals', () => {
  refusesBadConfig({
    load: loadConfig,
    complete,
    slip: { known: 'WARDSTONE_EMBED_CONCURRENCY', written: 'WARDSTONE_EMBED_CONCURENCY' },
    embedded: true,
  });

  it('has defaults', () => {
    const config = loadConfig(complete);
    expect(config.WARDSTONE_EMBED_CONCURRENCY).to.equal(2);
    expect(config.queueBackend).to.deep.equal({ postgresUrl: complete.WARDSTONE_QUEUE_DATABASE_URL });
  });

  it('takes Titan in production: it is no embedded part', () => {
    const titan = { ...complete, ...titanInProduction };
    const config = loadConfig(titan);
    expect([config.currentModel, config.keptModels]).to.deep.equal([1024, []]);
    expect(config.titan).to.deep.equal({
      region: 'us-east-1',
      endpoint: undefined,
      invokedId: 'amazon.titan-embed-text-v2:0',
      maxConcurrency: 32,
      microUsdPer1000Tokens: 20,
      requestTimeoutMs: 5_000,
      passageTimeoutMs: 120_000,
    });
    const provisioned = 'arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl';
    expect(loadConfig({ ...titan, WARDSTONE_TITAN_MODEL_ID: provisioned }).titan?.invokedId).to.equal(provisioned);
    const endpoint = 'https://bedrock.internal';
    expect(loadConfig({ ...titan, WARDSTONE_BEDROCK_ENDPOINT: endpoint }).titan?.endpoint).to.equal(endpoint);
    expect(() => loadConfig({ ...titan, WARDSTONE_EMBEDDING_KEPT_MODELS: 'wardstone-lexical-1' })).to.throw(
      'NODE_ENV: is production',
    );
  });

  it('keeps models that the index may still hold vectors of', () => {
    const kept = 'wardstone-lexical-1, amazon.titan-embed-text-v2:0/512';
    const titan = { ...complete, WARDSTONE_BEDROCK_REGION: 'us-east-1', WARDSTONE_EMBEDDING_KEPT_MODELS: kept };
    expect(loadConfig(titan).keptModels).to.deep.equal(['lexical', 512]);
  });

  for (const [what, wrong, problem] of [
    ['Titan without a region', { WARDSTONE_EMBEDDING_MODEL: 'titan' }, 'WARDSTONE_BEDROCK_REGION: is required'],
    [
      'a kept Titan without a region',
      { WARDSTONE_EMBEDDING_KEPT_MODELS: 'amazon.titan-embed-text-v2:0/256' },
      'WARDSTONE_BEDROCK_REGION: is required',
    ],
    [
      'Titan without TLS in production',
      { ...titanInProduction, WARDSTONE_BEDROCK_ENDPOINT: 'http://bedrock:8080' },
      'a Bedrock without TLS',
    ],
    [
      'the same when HTTP is written large',
      { ...titanInProduction, WARDSTONE_BEDROCK_ENDPOINT: 'HTTP://bedrock:8080' },
      'a Bedrock without TLS',
    ],
    ['a model that is not known', { WARDSTONE_EMBEDDING_MODEL: 'ada' }, 'must be one of lexical, titan'],
    ['a kept model that is not known', { WARDSTONE_EMBEDDING_KEPT_MODELS: 'ada-2' }, 'must be ids of models'],
    ['a size that Titan has not', { WARDSTONE_TITAN_DIMENSIONS: '768' }, 'WARDSTONE_TITAN_DIMENSIONS: must be one of'],
    ['a model id that is none', { WARDSTONE_TITAN_MODEL_ID: 'a model' }, 'WARDSTONE_TITAN_MODEL_ID: must be'],
    ['no concurrency', { WARDSTONE_TITAN_MAX_CONCURRENCY: '0' }, 'WARDSTONE_TITAN_MAX_CONCURRENCY: must be at least 1'],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => loadConfig({ ...complete, ...wrong })).to.throw(problem);
    });
  }

  describe('of the cache of vectors', () => {
    const titan = { ...complete, WARDSTONE_EMBEDDING_MODEL: 'titan', WARDSTONE_BEDROCK_REGION: 'us-east-1' };
    const redisUrl = 'rediss://user:secret@cache.internal:6380/1';
    const cached = { ...titan, WARDSTONE_EMBEDDING_CACHE_REDIS_URL: redisUrl };
    const dayMs = 24 * 60 * 60_000;

    it('has none unless told, nor without Titan, whose vectors alone are kept', () => {
      expect(loadConfig(titan).vectorCache).to.equal(undefined);
      expect(loadConfig({ ...cached, WARDSTONE_EMBEDDING_MODEL: 'lexical' }).vectorCache).to.equal(undefined);
      const kept = {
        WARDSTONE_EMBEDDING_MODEL: '',
        WARDSTONE_EMBEDDING_KEPT_MODELS: 'amazon.titan-embed-text-v2:0/512',
      };
      expect(loadConfig({ ...cached, ...kept }).vectorCache?.redisUrl).to.equal(redisUrl);
    });

    it('keeps for 30 days, or from a minute to a year', () => {
      expect(loadConfig(cached).vectorCache).to.deep.equal({ redisUrl, ttlMs: 30 * dayMs });
      for (const ttlMs of [60_000, 366 * dayMs]) {
        const given = { ...cached, WARDSTONE_EMBEDDING_CACHE_TTL_MS: String(ttlMs) };
        expect(loadConfig(given).vectorCache?.ttlMs).to.equal(ttlMs);
      }
    });

    for (const [what, wrong, problem] of [
      ['no Redis', { WARDSTONE_EMBEDDING_CACHE_REDIS_URL: 'https://cache' }, 'CACHE_REDIS_URL: must be a redis:// URL'],
      ['less than a minute', { WARDSTONE_EMBEDDING_CACHE_TTL_MS: '59999' }, 'CACHE_TTL_MS: must be at least 60000'],
      [
        'more than a year',
        { WARDSTONE_EMBEDDING_CACHE_TTL_MS: String(366 * dayMs + 1) },
        'CACHE_TTL_MS: must be at most',
      ],
      ['a time in words', { WARDSTONE_EMBEDDING_CACHE_TTL_MS: '30d' }, 'CACHE_TTL_MS: must be a whole number'],
      ["the queue's server", { WARDSTONE_REDIS_URL: 'redis://CACHE.internal:6380' }, 'the cache needs one of its own'],
    ] as const) {
      it(`refuses ${what}, and does not quote it`, () => {
        expect(() => loadConfig({ ...cached, ...wrong }))
          .to.throw(problem)
          .with.property('message')
          .that.does.not.contain('secret');
      });
    }

    it("refuses the queue's server when neither names the port", () => {
      const urls = {
        WARDSTONE_EMBEDDING_CACHE_REDIS_URL: 'redis://valkey/1',
        WARDSTONE_REDIS_URL: 'redis://:secret@valkey:6379',
      };
      expect(() => loadConfig({ ...titan, ...urls })).to.throw('the cache needs one of its own');
      const apart = { ...urls, WARDSTONE_REDIS_URL: 'redis://valkey:6380' };
      expect(loadConfig({ ...titan, ...apart }).vectorCache?.redisUrl).to.equal('redis://valkey/1');
    });
  });

  it('prefers Redis when both queues are named', () => {
    const config = loadConfig({ ...complete, WARDSTONE_REDIS_URL: 'redis://127.0.0.1:6379' });
    expect(config.queueBackend).to.deep.equal({ redisUrl: 'redis://127.0.0.1:6379' });
  });
});
