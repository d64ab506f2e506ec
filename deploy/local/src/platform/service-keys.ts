import path from 'node:path';
import { exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { readJson, writeJson } from '../setup/files.ts';

/** Where a service finds its own private key. */
export function serviceKeyFile(keysDir: string, service: string): string {
  return path.join(keysDir, `${service}.jwk`);
}

/** Where every service finds the public keys of all. */
export function serviceJwksFile(keysDir: string): string {
  return path.join(keysDir, 'services.jwks.json');
}

/** The Ed25519 key of each service, made on first use: a private file of its own, and one set of public keys. */
export async function ensureServiceKeys(keysDir: string, services: readonly string[]): Promise<void> {
  const keys = await Promise.all(services.map(async (service) => publicPart(await ensureKey(keysDir, service))));
  await writeJson(serviceJwksFile(keysDir), { keys }, 0o644);
}

async function ensureKey(keysDir: string, service: string): Promise<JWK> {
  const file = serviceKeyFile(keysDir, service);
  const known = (await readJson(file)) as JWK | undefined;
  if (known !== undefined) return known;
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: service, alg: 'EdDSA', use: 'sig' };
  await writeJson(file, key);
  return key;
}

async function publicPart(key: JWK): Promise<JWK> {
  const { d: _private, ...publicKey } = key;
  // Refuses a file that somebody has edited before a service stumbles over it.
  await importJWK(publicKey, 'EdDSA');
  return publicKey;
}
