import { z } from 'zod';
import { count, id, instant, name } from './fields.ts';
import { pageOf, pageQuery } from './page.ts';

const tenantExample = {
  tenantId: '01970000-0000-7000-8000-000000000003',
  displayName: 'Northside Clinic',
  state: 'ACTIVE',
  settings: { chunkSizeChars: 1000, chunkOverlapChars: 150 },
  keyVersion: 1,
  createdAt: '2026-11-22T09:00:00.000Z',
  etag: '5f1d7a84db00d2fc',
};

/** A tenant. */
export const tenantSchema = z
  .object({
    tenantId: id,
    displayName: z.string(),
    state: z.enum(['ACTIVE']),
    settings: z.object({ chunkSizeChars: count, chunkOverlapChars: count }),
    keyVersion: count.meta({ description: 'Version of the data key that new writes use.' }),
    createdAt: instant,
    etag: z.string(),
  })
  .meta({ description: 'A tenant.', examples: [tenantExample] });

/** A page of tenants. */
export const tenantPageSchema = pageOf(tenantSchema).meta({
  description: 'A page of tenants, newest first.',
  examples: [{ data: [tenantExample], hasMore: false, nextToken: null }],
});

/** A tenant to make. */
export const createTenantSchema = z
  .strictObject({
    tenantId: id
      .optional()
      .meta({ description: 'Your own UUIDv7: a repeated request then makes one tenant. Chosen for you if not given.' }),
    displayName: name({ min: 1, max: 200 }).meta({ description: 'Name of the organisation.' }),
    settings: z
      .strictObject({
        chunkSizeChars: z.int().min(1).max(8000).optional(),
        chunkOverlapChars: z.int().min(0).max(4000).optional(),
      })
      .optional()
      .meta({ description: 'How its documents are cut; the defaults are 1,000 and 150 characters.' }),
  })
  .meta({ description: 'A tenant to make.', examples: [{ displayName: 'Northside Clinic' }] });

/** Names a tenant. */
export const tenantParams = z.strictObject({ tenantId: id.meta({ examples: [tenantExample.tenantId] }) });

/** The list of tenants has no filters. */
export const tenantQuery = z.strictObject(pageQuery(200));
