import type { EntityManager } from 'typeorm';
import { identifier } from './row-level-security.ts';

/**
 * Removes at most `maxRows` of a tenant's rows from a table, in the caller's tenant-bound transaction; gives how many there
 * were. What a purge is made of: called again until it gives fewer.
 */
export async function removeTenantRows(
  tx: EntityManager,
  table: string,
  tenantId: string,
  maxRows: number,
): Promise<number> {
  const name = identifier(table);
  const [row] = await tx.query<{ removed: number }[]>(
    `with removed as (
       delete from ${name} where tenant_id = $1
         and ctid = any (array(select ctid from ${name} where tenant_id = $1 limit $2)) returning 1)
     select count(*)::int as removed from removed`,
    [tenantId, maxRows],
  );
  return row?.removed ?? 0;
}
