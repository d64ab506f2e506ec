import { z } from 'zod';
import { count, id, name, text } from './fields.ts';

/** Where words stand in a document. */
export const spanSchema = z
  .object({
    pageStart: count.meta({ description: 'First page, from 1.' }),
    pageEnd: count.meta({ description: 'Last page, from 1.' }),
    charStart: count.meta({ description: "Start in the document's text, in UTF-16 code units." }),
    charEnd: count.meta({ description: "End (exclusive) in the document's text, in UTF-16 code units." }),
  })
  .meta({
    description: 'Where words stand in a document.',
    examples: [{ pageStart: 3, pageEnd: 3, charStart: 2210, charEnd: 3180 }],
  });

/** Which of the tenant's documents to look in. */
export const documentIds = z
  .array(id)
  .max(100)
  .optional()
  .meta({ description: "Only in these documents; all of the tenant's if not given." });

/** Which documents to look in by what was said of them when they were uploaded. */
export const filtersSchema = z
  .array(
    z.strictObject({
      field: z
        .string()
        .regex(/^(label|metadata\.[a-z][a-z0-9_]{0,63})$/)
        .meta({ description: '`label`, or `metadata.` and a name.' }),
      value: name({ min: 1, max: 200 }).meta({
        description: 'Compared whole and with its case; blanks around it do not count.',
      }),
    }),
  )
  .max(20)
  .optional()
  .meta({ description: 'Only documents that pass all of these: one of the labels, or the entry, is the value.' });

/** A search. */
export const searchRequestSchema = z
  .strictObject({
    query: text({ min: 1, max: 4000 }).meta({ description: 'The question, in words.' }),
    topK: z.int().min(1).max(100).optional().meta({ description: 'How many chunks at most; 8 if not given.' }),
    documentIds,
    filters: filtersSchema,
  })
  .meta({
    description: 'A search.',
    examples: [
      {
        query: 'How is the occlusion alarm reset?',
        topK: 5,
        filters: [
          { field: 'label', value: 'manual' },
          { field: 'metadata.ward', value: '4 West' },
        ],
      },
    ],
  });

/** A chunk that was found. */
export const searchHitSchema = z
  .object({
    chunkId: id.meta({ description: "The chunk's id." }),
    documentId: id.meta({ description: 'The document that it is of.' }),
    version: count.meta({ description: "The document's version, from 1." }),
    documentTitle: z.string().meta({ description: "The document's title." }),
    text: z.string().meta({ description: "The chunk's text." }),
    span: spanSchema,
    score: z.number().meta({
      description: 'Cosine similarity to the question, -1 to 1; 0 when the chunk has no vector of the present model.',
    }),
    keywordScore: z.number().meta({
      description: "BM25 of the question's words; 0 when none stands in the chunk. Comparable within one answer only.",
    }),
    fusedScore: z.number().meta({ description: 'By which hits are ordered: both rankings, fused by reciprocal rank.' }),
    labels: z.array(z.string()).meta({ description: "The document's labels." }),
    metadata: z.record(z.string(), z.string()).meta({ description: "The document's metadata, by name." }),
    pageBreaks: z
      .array(
        z.object({
          page: count.meta({ description: 'Page, from 1.' }),
          chunkOffset: count.meta({ description: 'Where it begins in `text`, in UTF-16 code units.' }),
        }),
      )
      .meta({ description: 'Where in `text` each page begins.' }),
  })
  .meta({ description: 'A chunk that was found.' });

/** What was found. */
export const searchResponseSchema = z
  .object({
    hits: z.array(searchHitSchema).meta({ description: 'Best first.' }),
    unreadableChunks: count.meta({
      description: 'Chunks that were found but could not be opened; left out of `hits`.',
    }),
  })
  .meta({
    description: 'What was found.',
    examples: [
      {
        hits: [
          {
            chunkId: '01970000-0000-7000-8000-000000000002',
            documentId: '01970000-0000-7000-8000-000000000001',
            version: 1,
            documentTitle: 'Infusion pump manual',
            text: 'To reset the occlusion alarm, release the clamp and press RESET.',
            span: { pageStart: 3, pageEnd: 3, charStart: 2210, charEnd: 2274 },
            score: 0.81,
            keywordScore: 11.4,
            fusedScore: 0.0328,
            labels: ['manual'],
            metadata: { ward: '4 West' },
            pageBreaks: [{ page: 3, chunkOffset: 0 }],
          },
        ],
        unreadableChunks: 0,
      },
    ],
  });
