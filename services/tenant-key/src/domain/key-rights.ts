import type { KeyPurpose } from '@wardstone/crypto';

/**
 * Which service may have which keys. What is not here is refused. The table of the README, of the architecture and this one
 * are the same; a test asks for every pair.
 */
const purposesOf: ReadonlyMap<string, readonly KeyPurpose[]> = new Map([
  ['ingestion', ['objects', 'content']],
  ['embedding', ['objects']],
  ['retrieval', ['objects', 'content', 'terms', 'vectors']],
  ['llm', ['history']],
]);

/** Whether a service may have keys of a purpose. */
export function mayHave(service: string, purpose: KeyPurpose): boolean {
  return purposesOf.get(service)?.includes(purpose) ?? false;
}
