import path from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { keptSecret, readJson, writeJson } from '../setup/files.ts';

export interface ProviderSecrets {
  /** Private keys, RS256 first: what tokens are signed with. */
  readonly keys: JWK[];
  /** Signs the provider's cookies. */
  readonly cookieSecret: string;
}

/** The provider's own keys, made on first use and kept in `dir`. */
export async function ensureProviderSecrets(dir: string): Promise<ProviderSecrets> {
  const file = path.join(dir, 'signing-keys.json');
  const cookieSecret = await keptSecret(path.join(dir, 'cookie-secret'));
  const known = (await readJson(file)) as { keys: JWK[] } | undefined;
  if (known !== undefined) return { keys: known.keys, cookieSecret };
  const keys = [await newKey('RS256'), await newKey('ES256')];
  await writeJson(file, { keys });
  return { keys, cookieSecret };
}

async function newKey(alg: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: `${alg.toLowerCase()}-${Date.now().toString(36)}` };
}
