import { emptyChain, verifyChain, type ChainHead, type Verification } from '../domain/hash-chain.ts';
import type { Chain, ChainReader } from '../ports.ts';

/** Events in memory at a time. */
const pageSize = 1000;

/**
 * Verifies a chain from its first event to its last, a page at a time, so that memory does not grow with the chain. Appends
 * may go on meanwhile. `expectedHead` is a head that was noted elsewhere: the chain has to pass through it, so that an end
 * that was cut off, or written anew, is seen. Thrown: DATABASE_UNAVAILABLE.
 */
export async function verifyWholeChain(
  reader: Pick<ChainReader, 'after'>,
  chain: Chain,
  expectedHead?: ChainHead,
): Promise<Verification> {
  let head = emptyChain;
  for (;;) {
    const untilExpected = expectedHead === undefined ? 0n : expectedHead.sequence - head.sequence;
    // A page ends at the expected head, where it can be compared.
    const limit = untilExpected > 0n && untilExpected < BigInt(pageSize) ? Number(untilExpected) : pageSize;
    const events = await reader.after(chain, head.sequence, limit);
    const reached = expectedHead !== undefined && events.at(-1)?.sequence === expectedHead.sequence;
    const found = verifyChain(events, { from: head, ...(reached ? { expectedHead } : {}) });
    if (!found.ok) return found;
    head = found.head;
    if (events.length < limit) break;
  }
  if (expectedHead !== undefined && head.sequence < expectedHead.sequence) {
    return { ok: false, sequence: head.sequence + 1n, problem: 'head' };
  }
  return { ok: true, head };
}
