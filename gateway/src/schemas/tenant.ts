import { z } from 'zod';
import { count, id, instant, name } from './fields.ts';
import { pageOf, pageQuery } from './page.ts';

const tenantExample = {
  tenantId: '01970000-0000-7000-8000-000000000003',
  displayName: 'Northside Clinic',
  state: 'ACTIVE',
  settings: { chunkSizeChars: 1000, chunkOverlapChars: 150, deletionWindowDays: 30 },
  keyVersion: 1,
  createdAt: '2026-11-22T09:00:00.000Z',
  etag: 't1',
};

/** A tenant. */
export const tenantSchema = z
  .object({
    tenantId: id.meta({ description: "The tenant's id; tokens name it in `wardstone_tenant`." }),
    displayName: z.string().meta({ description: 'Name of the organisation.' }),
    state: z.enum(['ACTIVE', 'SUSPENDED', 'OFFBOARDING', 'OFFBOARDED']).meta({
      description: [
        '- ACTIVE: it may be used.',
        '- SUSPENDED: nothing of it is given out until it is resumed.',
        '- OFFBOARDING: it leaves; nothing of it is given out, and its key is disabled.',
        '- OFFBOARDED: it has left; its key is deleted, its data removed.',
      ].join('\n'),
    }),
    settings: z
      .object({
        chunkSizeChars: count.meta({ description: 'Longest chunk, in UTF-16 code units.' }),
        chunkOverlapChars: count.meta({ description: 'Characters that neighbouring chunks share.' }),
        deletionWindowDays: count.meta({
          description: 'Days between the approval of an offboarding and the deletion of the key, 7 to 30.',
        }),
      })
      .meta({ description: 'How its documents are cut, and how it can leave.' }),
    keyVersion: count.meta({ description: 'Version of the data key that new writes use.' }),
    createdAt: instant.meta({ description: 'When it was made.' }),
    etag: z.string().meta({ description: 'The same as the ETag header, without its quotes.' }),
  })
  .meta({ description: 'A tenant.', examples: [tenantExample] });

/** A page of tenants. */
export const tenantPageSchema = pageOf(tenantSchema).meta({
  description: 'A page of tenants, newest first.',
  examples: [{ data: [tenantExample], hasMore: false, nextToken: null }],
});

const defaultChunkSizeChars = 1000;

const settingsSchema = z
  .strictObject({
    chunkSizeChars: z
      .int()
      .min(100)
      .max(8000)
      .optional()
      .meta({ description: `Longest chunk, in UTF-16 code units; ${defaultChunkSizeChars} if not given.` }),
    chunkOverlapChars: z.int().min(0).max(4000).optional().meta({
      description:
        'Characters that neighbouring chunks share, at most half of chunkSizeChars; 150 if not given, or half of a size that is too small for that.',
    }),
    deletionWindowDays: z.int().min(7).max(30).optional().meta({
      description:
        'Days between the approval of an offboarding and the deletion of the key, in which it can be cancelled; 30 if not given.',
    }),
  })
  .refine(
    ({ chunkSizeChars = defaultChunkSizeChars, chunkOverlapChars = 0 }) =>
      chunkOverlapChars <= Math.floor(chunkSizeChars / 2),
    { path: ['chunkOverlapChars'], error: 'is more than half of chunkSizeChars' },
  );

/** A tenant to make. */
export const createTenantSchema = z
  .strictObject({
    tenantId: id.optional().meta({
      description:
        'Your own id, a UUID of version 7 or 8: a repeated request then makes one tenant. Chosen for you if not given.',
    }),
    displayName: name({ min: 1, max: 200 }).meta({ description: 'Name of the organisation.' }),
    settings: settingsSchema.optional().meta({ description: 'How its documents are cut, and how it can leave.' }),
  })
  .meta({ description: 'A tenant to make.', examples: [{ displayName: 'Northside Clinic' }] });

/** Names a tenant. */
export const tenantParams = z.strictObject({
  tenantId: id.meta({ description: "The tenant's id.", examples: [tenantExample.tenantId] }),
});

/** The list of tenants has no filters. */
export const tenantQuery = z.strictObject(pageQuery(200));
