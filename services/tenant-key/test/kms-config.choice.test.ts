import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, embeddedFields, readConfig } from '@wardstone/config';
import { expect } from 'chai';
import { z } from 'zod';
import { openKms } from '../src/adapters/open-kms.ts';
import { kmsConfigOf, kmsFields, type KmsConfig } from '../src/kms-config.ts';

const schema = z.object({ ...embeddedFields, ...kmsFields });
const read = (env: NodeJS.ProcessEnv): KmsConfig => kmsConfigOf(readConfig(schema, env));

function problemOf(env: NodeJS.ProcessEnv): string | undefined {
  try {
    read(env);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join('\n');
    throw error;
  }
}

describe('the choice of a key management service', () => {
  const aws = { WARDSTONE_KMS_REGION: 'us-east-1' };
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'wardstone-kms-'));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true });
  });

  it('is a directory or a region, and one of the two', () => {
    expect(read({ WARDSTONE_KMS_DIR: '/data/kms' })).to.deep.equal({ dir: '/data/kms' });
    expect(read(aws)).to.deep.equal({
      region: 'us-east-1',
      endpoint: undefined,
      aliasPrefix: 'wardstone',
      tags: {},
      keyPolicy: undefined,
    });
    expect(problemOf({})).to.match(/^WARDSTONE_KMS_DIR: is required unless WARDSTONE_KMS_REGION is set/);
    expect(problemOf({ ...aws, WARDSTONE_KMS_DIR: '/data/kms' })).to.match(/^WARDSTONE_KMS_DIR: is set together/);
  });

  it('is AWS KMS in production', () => {
    expect(problemOf({ NODE_ENV: 'production', ...aws })).to.equal(undefined);
    expect(problemOf({ NODE_ENV: 'production', WARDSTONE_KMS_DIR: '/data/kms' })).to.match(/^NODE_ENV: is production/);
  });

  it('takes tags that AWS takes, each once', () => {
    const config = read({ ...aws, WARDSTONE_KMS_TAGS: 'team=clinical data, cost-center=12, empty=' });
    expect(config).to.deep.include({ tags: { team: 'clinical data', 'cost-center': '12', empty: '' } });
    const bad = ['team', '=x', 'a=1,a=2', 'aws:x=1', 'wardstone:tenant=x', 'a=<>', `${'a'.repeat(129)}=1`];
    const many = Array.from({ length: 50 }, (_, index) => `tag${String(index)}=x`).join(',');
    for (const tags of [...bad, many]) {
      expect(problemOf({ ...aws, WARDSTONE_KMS_TAGS: tags }), tags).to.match(/^WARDSTONE_KMS_TAGS/);
    }
  });

  it('takes a policy that is JSON and asks for nothing but the tenant', () => {
    const file = join(dir, 'policy.json');
    const problemWith = (content: string): string | undefined => {
      writeFileSync(file, content);
      return problemOf({ ...aws, WARDSTONE_KMS_KEY_POLICY_FILE: file });
    };
    expect(problemWith('{"Statement":[{"Sid":"{{tenantId}}"}]}')).to.equal(undefined);
    expect(problemWith('{"Statement":[{"Sid":"{{accountId}}"}]}')).to.match(/no other$/);
    expect(problemWith('{"Statement":')).to.match(/is not JSON$/);
    expect(problemWith(`"${'x'.repeat(32_000)}"`)).to.match(/too long/);
    const missing = join(dir, 'none');
    expect(problemOf({ ...aws, WARDSTONE_KMS_KEY_POLICY_FILE: missing })).to.match(/cannot be read$/);
  });

  it('takes the policy that the README offers', () => {
    const file = join(import.meta.dirname, '../kms-key-policy.example.json');
    expect(problemOf({ ...aws, WARDSTONE_KMS_KEY_POLICY_FILE: file })).to.equal(undefined);
  });

  it('is what is opened, and the embedded one says so', async () => {
    const warnings: unknown[] = [];
    const log = { warn: (...said: unknown[]) => void warnings.push(said) };
    await openKms({ dir }, log);
    expect(readdirSync(dir).sort()).to.deep.equal(['keys', 'master.key']);
    expect(warnings).to.have.length(1);
    await openKms(read(aws), log);
    expect(warnings).to.have.length(1);
  });
});
