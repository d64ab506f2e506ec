import type { Principal } from '@wardstone/rpc';

/**
 * Whose a conversation is: the kind and the subject of who began it. A program whose subject happens to be a person's is not
 * that person.
 */
export function ownerOf({ kind, subject }: Pick<Principal, 'kind' | 'subject'>): string {
  return `${kind}:${subject}`;
}
