/** Blind terms of a tenant, by its `terms` key: what stands in the index in the place of words and labels. */
import { createBlindTerms, type KeyRing, type PurposeKey } from '@wardstone/crypto';
import type { EqualityFilter } from '../domain/labels.ts';

/** Terms under one version of the key. */
export interface TenantTerms {
  readonly keyVersion: number;
  /** Of a word, as `termsOf` gives it. */
  word(word: string): bigint;
  /** Of a label or of one entry of the metadata: equal ones, and no others, give equal terms. */
  filter(filter: EqualityFilter): bigint;
}

/** Terms that new rows are written with. Thrown: KEY_UNAVAILABLE. */
export async function currentTerms(keys: KeyRing, tenantId: string): Promise<TenantTerms> {
  return termsUnder(await keys.current(tenantId, 'terms'));
}

/** Terms of rows that were written under one version. Thrown: KEY_UNAVAILABLE. */
export async function termsOfVersion(keys: KeyRing, tenantId: string, keyVersion: number): Promise<TenantTerms> {
  return termsUnder(await keys.version(tenantId, 'terms', keyVersion));
}

/** Made for each use and kept by nobody, so that it goes when the key goes. */
function termsUnder({ key, version }: PurposeKey): TenantTerms {
  const blind = createBlindTerms(key);
  key.fill(0);
  return {
    keyVersion: version,
    word: (word) => blind.term('word', word),
    filter: ({ field, value }) => (field === 'label' ? blind.term('label', value) : blind.term(kindOf(field), value)),
  };
}

/** `metadata.ward` is of the kind `meta:ward`. */
function kindOf(field: string): string {
  return field.replace(/^metadata\./, 'meta:');
}
