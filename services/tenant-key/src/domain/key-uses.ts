/**
 * How often one key may seal. Values are sealed by AES-GCM with random 96-bit nonces, of which NIST SP 800-38D (8.3) allows
 * 2^32 under one key. Services get leases and give back what they did not use; a crash loses the rest of a lease, so that
 * what is counted is never less than what was done.
 */

/** Uses that a service gets at a time. */
export const usesPerLease = 65_536;

/** From here on the key is rotated: half of the bound, so that the other half lasts while services learn of it. */
export const rotateAtUses = 2 ** 31;

/** Here nothing is leased any more. */
export const maxUses = 2 ** 32;

/** Whether a lease may be given when so many uses would then be out. */
export function mayLease(usesOut: number): boolean {
  return usesOut <= maxUses;
}

/** Whether a key has been used so often that it has to be rotated. */
export function mustRotate(usesOut: number): boolean {
  return usesOut >= rotateAtUses;
}
