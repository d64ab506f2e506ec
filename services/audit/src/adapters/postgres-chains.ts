import { nilUuid, type Database } from '@wardstone/db';
import { MoreThan } from 'typeorm';
import { z } from 'zod';
import { auditEventEntity, toEvent } from '../db/entities.ts';
import type { ChainReader } from '../ports.ts';

const chainRows = z.array(z.object({ tenant_id: z.uuid() }));

/** Chains in Postgres, for verifying them. */
export function createChainReader(database: Pick<Database, 'inTenant' | 'inPlatform'>): ChainReader {
  return {
    chains: async () => {
      const rows = await database.inPlatform(async (tx) => tx.query<unknown>('select tenant_id from list_chains()'));
      return chainRows.parse(rows).map(({ tenant_id: id }) => (id === nilUuid ? undefined : id));
    },
    after: async (chain, sequence, limit) => {
      const where = { tenantId: chain ?? nilUuid, sequence: MoreThan(sequence.toString()) };
      const options = { where, order: { sequence: 'ASC' }, take: limit } as const;
      const rows =
        chain === undefined
          ? await database.inPlatform(async (tx) => tx.find(auditEventEntity, options))
          : await database.inTenant(chain, async (tx) => tx.find(auditEventEntity, options));
      return rows.map(toEvent);
    },
  };
}
