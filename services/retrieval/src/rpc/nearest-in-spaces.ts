import { AppError } from '@wardstone/rpc';
import { currentSpace, spaceOfVersion, type TenantSpace } from '../adapters/tenant-space.ts';
import {
  compareHits,
  findNearest,
  type NearestQuery,
  type SealedHit,
  vectorKeyVersions,
} from '../db/nearest-chunks.ts';
import type { Deps } from '../ports.ts';

/** A tenant has vectors in one space, or two while its keys are rotated; a search that finds still others gives up. */
const attempts = 4;

/**
 * The chunks nearest to a question in whatever spaces the tenant's vectors are, best first. One snapshot of the database, so
 * that a vector that is moved meanwhile is neither missed nor seen twice. Keys are never waited for inside a transaction.
 */
export async function nearestInSpaces(
  { database, keys }: Pick<Deps, 'database' | 'keys'>,
  query: Omit<NearestQuery, 'vectorKeyVersion'>,
): Promise<SealedHit[]> {
  const { tenantId, vector, limit } = query;
  const current = await currentSpace(keys, tenantId);
  const spaces = new Map<number, TenantSpace>([[current.keyVersion, current]]);
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const found = await database.inTenant(
      tenantId,
      async (tx) => {
        const versions = await vectorKeyVersions(tx, tenantId);
        const unknown = versions.filter((version) => !spaces.has(version));
        if (unknown.length > 0) return { unknown };
        const hits: SealedHit[] = [];
        for (const version of versions) {
          const entered = spaces.get(version)?.enter(vector) ?? vector;
          hits.push(...(await findNearest(tx, { ...query, vector: entered, vectorKeyVersion: version })));
        }
        return { hits };
      },
      { isolation: 'REPEATABLE READ' },
    );
    if (found.hits !== undefined) return found.hits.sort(compareHits).slice(0, limit);
    for (const version of found.unknown) spaces.set(version, await spaceOfVersion(keys, tenantId, version));
  }
  throw new AppError('DATABASE_UNAVAILABLE', { message: 'the index changes faster than it can be read' });
}
