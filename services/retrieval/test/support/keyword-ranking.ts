import { termsOfVersion } from '../../src/adapters/tenant-terms.ts';
import { readOverview } from '../../src/db/keyword-search.ts';
import { termsOf } from '../../src/domain/analyse.ts';
import { mergeTenant } from '../../src/jobs/merge-keywords.ts';
import { keywordCandidates, type Damage, type KeywordHit } from '../../src/rpc/keyword-candidates.ts';
import { running, type Harness } from './harness.ts';

/** The ranking by words alone, as a search has it before it is fused, and what was damaged. */
export async function keywordRanking(
  harness: Harness,
  tenantId: string,
  question: string,
  options: { readonly limit?: number; readonly documentIds?: readonly string[] } = {},
): Promise<{ readonly hits: readonly KeywordHit[]; readonly damage: Damage; readonly leftOutWords: number }> {
  const { signal } = running;
  const words = new Map<string, number>();
  for (const word of termsOf(question)) words.set(word, (words.get(word) ?? 0) + 1);
  return harness.database.inTenant(
    tenantId,
    async (tx) => {
      const overview = await readOverview(tx, tenantId);
      const terms = new Map(
        await Promise.all(
          [...overview.byVersion.keys()].map(
            async (version) => [version, await termsOfVersion(harness.deps.keys, tenantId, version)] as const,
          ),
        ),
      );
      const { limit = 50, documentIds } = options;
      return keywordCandidates(tx, overview, { tenantId, words, terms, documentIds, limit, signal });
    },
    { isolation: 'REPEATABLE READ' },
  );
}

/** Merges until there is nothing left; gives what was done in all. */
export async function mergeAll(harness: Harness, tenantId: string): Promise<{ merged: number; dropped: number }> {
  const done = { merged: 0, dropped: 0 };
  for (let batch = 0; batch < 200; batch += 1) {
    const { merged, dropped } = await mergeTenant(harness.deps, tenantId);
    if (merged + dropped === 0) return done;
    done.merged += merged;
    done.dropped += dropped;
  }
  throw new Error('merging does not come to an end');
}
