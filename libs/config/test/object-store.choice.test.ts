import { expect } from 'chai';
import { z } from 'zod';
import { checkObjectStore, ConfigError, embeddedFields, objectStoreFields, readConfig } from '../src/index.ts';

const schema = z.object({ ...embeddedFields, ...objectStoreFields });

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    checkObjectStore(readConfig(schema, env));
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe('the choice of an object store', () => {
  const bucket = { WARDSTONE_S3_BUCKET: 'wardstone-objects', WARDSTONE_S3_REGION: 'eu-central-1' };
  const directory = { WARDSTONE_OBJECTS_DIR: '/data/objects' };

  it('is a directory, or a bucket with its region', () => {
    expect(problemsOf(directory)).to.deep.equal([]);
    expect(problemsOf(bucket)).to.deep.equal([]);
    const { WARDSTONE_S3_BUCKET } = bucket;
    expect(problemsOf({ WARDSTONE_S3_BUCKET })).to.deep.equal([
      'WARDSTONE_S3_REGION: is required with WARDSTONE_S3_BUCKET',
    ]);
  });

  it('is one of the two', () => {
    expect(problemsOf({})).to.deep.equal(['WARDSTONE_OBJECTS_DIR: is required unless WARDSTONE_S3_BUCKET is set']);
    expect(problemsOf({ ...directory, ...bucket })[0]).to.match(/^WARDSTONE_OBJECTS_DIR: is set together with/);
  });

  it('is the bucket in production, unless the operator says twice that it is not production', () => {
    const production = { NODE_ENV: 'production' };
    expect(problemsOf({ ...production, ...bucket })).to.deep.equal([]);
    expect(problemsOf({ ...production, ...directory })[0]).to.match(/^NODE_ENV: is production/);
    const allowed = { ...production, WARDSTONE_ALLOW_EMBEDDED: 'yes-this-is-not-production' };
    expect(problemsOf({ ...allowed, ...directory })).to.deep.equal([]);
  });

  it('has names that AWS takes', () => {
    for (const name of ['A', 'ab', 'a_b', '-ab', 'a'.repeat(64)]) {
      expect(problemsOf({ ...bucket, WARDSTONE_S3_BUCKET: name })[0]).to.match(/must be the name of a bucket/);
    }
    for (const prefix of ['aws', 'aws/x', '/a', 'a:b', 'a'.repeat(65)]) {
      expect(problemsOf({ ...bucket, WARDSTONE_KMS_ALIAS_PREFIX: prefix })[0]).to.match(/^WARDSTONE_KMS_ALIAS_PREFIX/);
    }
    expect(problemsOf({ ...bucket, WARDSTONE_S3_REGION: 'Frankfurt' })[0]).to.match(/^WARDSTONE_S3_REGION/);
    expect(problemsOf({ ...bucket, WARDSTONE_KMS_ALIAS_PREFIX: 'clinic/one' })).to.deep.equal([]);
  });
});
