import { z } from 'zod';
import { queryInteger } from './fields.ts';

/** Query parameters of every list. */
export function pageQuery(maxPageSize: number) {
  return {
    pageSize: queryInteger({ min: 1, max: maxPageSize })
      .optional()
      .meta({
        description: `How many items at most, 1 to ${maxPageSize}; 50 if not given.`,
        override: { type: 'integer', minimum: 1, maximum: maxPageSize, default: 50 },
        examples: [20],
      }),
    pageToken: z
      .string()
      .optional()
      .meta({ description: '`nextToken` of the page before. Opaque.', maxLength: maxPageTokenChars }),
  };
}

/** The longest page token that the services take. */
export const maxPageTokenChars = 1024;

/** A page of a list: `{data, hasMore, nextToken}`. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    data: z.array(item).meta({ description: 'The items of this page.' }),
    hasMore: z.boolean().meta({ description: 'Whether there is another page.' }),
    nextToken: z
      .string()
      .nullable()
      .meta({ description: 'Pass it as `pageToken` to get the next page; null on the last one.' }),
  });
}

/** Makes a page from what a list RPC answered. */
export function page<Item>(data: Item[], nextPageToken: string) {
  return { data, hasMore: nextPageToken !== '', nextToken: nextPageToken === '' ? null : nextPageToken };
}
