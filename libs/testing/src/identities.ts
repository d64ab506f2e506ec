import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';

/** Keys of services, laid out in files as set-up makes them. */
export interface TestIdentities {
  /** Public keys of all services; WARDSTONE_SERVICE_JWKS_FILE. */
  readonly jwksFile: string;
  /** A service's private Ed25519 JWK; WARDSTONE_SERVICE_KEY_FILE. Thrown: Error for a service that was not asked for. */
  keyFile(service: string): string;
  drop(): Promise<void>;
}

const allServices = ['gateway', 'ingestion', 'embedding', 'retrieval', 'llm', 'audit', 'tenant-key'];

/** Makes Ed25519 keys for the services named, or for all of them, in a directory of their own. */
export async function testIdentities(services: readonly string[] = allServices): Promise<TestIdentities> {
  const dir = await mkdtemp(path.join(tmpdir(), 'wardstone-identities-'));
  const files = new Map<string, string>();
  const keys: JWK[] = [];
  for (const service of services) {
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    const named = { kid: service, alg: 'EdDSA', use: 'sig' };
    const file = path.join(dir, `${service}.key.json`);
    await writeFile(file, JSON.stringify({ ...(await exportJWK(privateKey)), ...named }), { mode: 0o600 });
    files.set(service, file);
    keys.push({ ...(await exportJWK(publicKey)), ...named });
  }
  const jwksFile = path.join(dir, 'services.jwks.json');
  await writeFile(jwksFile, JSON.stringify({ keys }));
  return {
    jwksFile,
    keyFile: (service) => {
      const file = files.get(service);
      if (file === undefined) throw new Error(`no test identity was made for ${service}`);
      return file;
    },
    drop: async () => rm(dir, { recursive: true, force: true }),
  };
}
