import { AppError, type ServiceClient } from '@wardstone/rpc';
import { KeyPurpose, type TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { expect } from 'chai';
import { createRemoteKeyRing, keyPurposes } from '../src/index.ts';
import { rejection, tenantA } from './support.ts';

interface Asked {
  readonly purpose: KeyPurpose;
  readonly version: number;
}

/** A tenant-key as a literal: fails with each of the reasons given, then answers with version 3. */
function tenantKey(failures: AppError[] = [], answer: { noKey?: boolean } = {}) {
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
    expect(asked).to.deep.equal(numbers.map((purpose) => ({ purpose, version: 0 })));
    expect((await ring.version(tenantA, 'objects', 1)).key[0]).to.equal(1);
  });

  it('tries again when tenant-key is away for a moment', async () => {
    const { client, asked } = tenantKey([new AppError('SERVICE_UNAVAILABLE'), new AppError('DEADLINE_EXCEEDED')]);
    expect((await createRemoteKeyRing(client, 'llm').current(tenantA, 'history')).version).to.equal(3);
    expect(asked).to.have.length(3);
  });

  it('gives up after three attempts with KEY_UNAVAILABLE', async () => {
    const { client, asked } = tenantKey(Array.from({ length: 9 }, () => new AppError('AUDIT_UNAVAILABLE')));
    expect(await reasonOf(createRemoteKeyRing(client, 'llm').current(tenantA, 'history'))).to.equal('KEY_UNAVAILABLE');
    expect(asked).to.have.length(3);
  });

  for (const reason of [
    'PERMISSION_DENIED',
    'TENANT_NOT_FOUND',
    'KEY_VERSION_NOT_FOUND',
    'CALLER_NOT_ACCEPTED',
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
});
