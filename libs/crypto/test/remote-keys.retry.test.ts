import { AppError, type ServiceClient } from '@wardstone/rpc';
import { KeyPurpose, type TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { expect } from 'chai';
import { createRemoteKeyRing, keyPurposes } from '../src/index.ts';
import { rejection, tenantA, tenantB } from './support.ts';

interface Asked {
  readonly purpose: KeyPurpose;
  readonly version: number;
  readonly unusedUses: number;
  readonly unusedVersion: number;
}

/** A tenant-key as a literal: fails with each of the reasons given, then answers with version 3. */
function tenantKey(failures: AppError[] = [], answer: { noKey?: boolean; maxUses?: number } = {}) {
  const asked: Asked[] = [];
  const getDataKeys = (request: Asked) => {
    asked.push(request);
    const failure = failures.shift();
    if (failure !== undefined) return Promise.reject(failure);
    const version = request.version === 0 ? 3 : request.version;
    const dataKey = { version, key: new Uint8Array(32).fill(version) };
    return Promise.resolve({
      currentVersion: 3,
      maxAgeSeconds: 60,
      maxUses: request.version === 0 ? (answer.maxUses ?? 100) : 0,
      ...(answer.noKey === true ? {} : { dataKey }),
    });
  };
  return { asked, client: { getDataKeys } as unknown as ServiceClient<typeof TenantKeyService> };
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  const error = await rejection(work);
  return error instanceof AppError ? error.reason : String(error);
}

describe('remote key ring', () => {
  it('asks for each purpose under its own number, and keeps the answer', async () => {
    const { client, asked } = tenantKey();
    const ring = createRemoteKeyRing(client, 'retrieval');
    for (const purpose of keyPurposes) {
      const { key, version } = await ring.current(tenantA, purpose);
      expect([version, key[0], key.length]).to.deep.equal([3, 3, 32]);
      await ring.current(tenantA, purpose);
    }
    const numbers = [KeyPurpose.OBJECTS, KeyPurpose.CONTENT, KeyPurpose.TERMS, KeyPurpose.VECTORS, KeyPurpose.HISTORY];
    expect(asked).to.deep.equal(numbers.map((purpose) => ({ purpose, version: 0, unusedUses: 0, unusedVersion: 0 })));
    expect((await ring.version(tenantA, 'objects', 1)).key[0]).to.equal(1);
  });

  it('tries again when tenant-key is away for a moment', async () => {
    const { client, asked } = tenantKey([new AppError('SERVICE_UNAVAILABLE'), new AppError('DEADLINE_EXCEEDED')]);
    expect((await createRemoteKeyRing(client, 'llm').current(tenantA, 'history')).version).to.equal(3);
    expect(asked).to.have.length(3);
  });

  it('gives up after three attempts with KEY_UNAVAILABLE', async () => {
    const { client, asked } = tenantKey(Array.from({ length: 9 }, () => new AppError('DATABASE_UNAVAILABLE')));
    expect(await reasonOf(createRemoteKeyRing(client, 'llm').current(tenantA, 'history'))).to.equal('KEY_UNAVAILABLE');
    expect(asked).to.have.length(3);
  });

  it('says so when the handing out of keys cannot be recorded, after three attempts', async () => {
    const { client, asked } = tenantKey(Array.from({ length: 9 }, () => new AppError('AUDIT_UNAVAILABLE')));
    expect(await reasonOf(createRemoteKeyRing(client, 'llm').current(tenantA, 'history'))).to.equal(
      'AUDIT_UNAVAILABLE',
    );
    expect(asked).to.have.length(3);
  });

  for (const reason of [
    'PERMISSION_DENIED',
    'TENANT_NOT_FOUND',
    'TENANT_SUSPENDED',
    'TENANT_OFFBOARDING',
    'KEY_VERSION_NOT_FOUND',
    'KEY_VERSION_RETIRED',
    'CALLER_NOT_ACCEPTED',
    'KEY_DISABLED',
    'KEY_PENDING_DELETION',
    'KMS_ACCESS_DENIED',
    'CREDENTIALS_EXPIRED',
    'CLOCK_SKEW',
  ] as const) {
    it(`does not ask again after ${reason}: it is an answer`, async () => {
      const { client, asked } = tenantKey([new AppError(reason)]);
      expect(await reasonOf(createRemoteKeyRing(client, 'llm').current(tenantA, 'history'))).to.equal(reason);
      expect(asked).to.have.length(1);
    });
  }

  it('does not take an answer without a key', async () => {
    const { client } = tenantKey([], { noKey: true });
    expect(await reasonOf(createRemoteKeyRing(client, 'llm').current(tenantA, 'history'))).to.equal('KEY_UNAVAILABLE');
  });

  it('asks again when the lease is used up, and gives back what was not used of it, once', async () => {
    const { client, asked } = tenantKey([], { maxUses: 3 });
    const ring = createRemoteKeyRing(client, 'retrieval');
    for (let use = 0; use < 4; use += 1) await ring.current(tenantA, 'content');
    ring.refresh(tenantA);
    await ring.current(tenantA, 'content');
    const returned = asked.map(({ version, unusedUses, unusedVersion }) => [version, unusedUses, unusedVersion]);
    expect(returned).to.deep.equal([
      [0, 0, 0],
      [0, 0, 0],
      [0, 2, 3],
    ]);
  });

  it('does not give the same back again with a second attempt: the first may have been counted', async () => {
    const failures: AppError[] = [];
    const { client, asked } = tenantKey(failures);
    const ring = createRemoteKeyRing(client, 'retrieval');
    await ring.current(tenantA, 'content');
    ring.forget(tenantA);
    failures.push(new AppError('DEADLINE_EXCEEDED'));
    await ring.current(tenantA, 'content');
    expect(asked.map(({ unusedUses }) => unusedUses)).to.deep.equal([0, 99, 0]);
  });

  it('asks for every use when tenant-key gives no leases', async () => {
    const { client, asked } = tenantKey([], { maxUses: 0 });
    const ring = createRemoteKeyRing(client, 'retrieval');
    for (let use = 0; use < 3; use += 1) await ring.current(tenantA, 'content');
    expect(asked).to.have.length(3);
  });

  for (const reason of ['TENANT_SUSPENDED', 'TENANT_OFFBOARDING', 'TENANT_NOT_FOUND'] as const) {
    it(`forgets all keys of the tenant on ${reason}, and nothing of another`, async () => {
      const failures: AppError[] = [];
      const { client, asked } = tenantKey(failures);
      const ring = createRemoteKeyRing(client, 'retrieval');
      await ring.version(tenantA, 'content', 1);
      await ring.version(tenantB, 'content', 1);
      failures.push(new AppError(reason), new AppError(reason));
      expect(await reasonOf(ring.current(tenantA, 'terms'))).to.equal(reason);
      expect(await reasonOf(ring.version(tenantA, 'content', 1))).to.equal(reason);
      await ring.version(tenantB, 'content', 1);
      expect(asked).to.have.length(4);
    });
  }

  it('goes on with what it holds after an answer about one version', async () => {
    const failures: AppError[] = [];
    const { client, asked } = tenantKey(failures);
    const ring = createRemoteKeyRing(client, 'retrieval');
    await ring.current(tenantA, 'content');
    failures.push(new AppError('KEY_VERSION_RETIRED'));
    expect(await reasonOf(ring.version(tenantA, 'content', 1))).to.equal('KEY_VERSION_RETIRED');
    await ring.current(tenantA, 'content');
    expect(asked).to.have.length(2);
  });
});
