import { z } from 'zod';

const microPerUsd = 1_000_000;

/** An amount of US dollars of a message, in millionths, as the API shows it. */
export function toUsd(microUsd: bigint): number {
  return Number(microUsd) / microPerUsd;
}

/** An amount that a request names, in millionths. */
export function fromUsd(usd: number): bigint {
  return BigInt(Math.round(usd * microPerUsd));
}

/** US dollars, never negative, in steps of a millionth. */
export const usd = z.number().min(0);
