import { documentFailures, reasons } from '@wardstone/rpc';
import { z } from 'zod';
import { count, id, instant, name } from './fields.ts';
import { pageOf, pageQuery } from './page.ts';

/** Where a document is in its life. */
export const documentStates = [
  'RECEIVED',
  'EXTRACTING',
  'EMBEDDING',
  'INDEXING',
  'READY',
  'FAILED',
  'DELETING',
] as const;

/** Where nothing more will change. */
export const finalStates = [
  'READY',
  'FAILED',
  'DELETING',
] as const satisfies readonly (typeof documentStates)[number][];

/** States that a list can be narrowed to: what is being deleted is in none. */
const listedStates = documentStates.filter((state) => state !== 'DELETING');

/** A document as examples show it. */
export const documentExample = {
  documentId: '01970000-0000-7000-8000-000000000001',
  version: 1,
  title: 'Infusion pump manual',
  fileName: 'infusion-pump.pdf',
  mediaType: 'application/pdf',
  sizeBytes: 48213,
  state: 'READY',
  percent: 100,
  pageCount: 12,
  chunkCount: 34,
  createdBy: 'user-1',
  createdAt: '2026-11-22T09:30:00.000Z',
  updatedAt: '2026-11-22T09:30:04.120Z',
  etag: '1-7',
  labels: ['manual'],
  metadata: { ward: '4 West' },
};

/** A document's metadata. */
export const documentSchema = z
  .object({
    documentId: id.meta({ description: "The document's id." }),
    version: count.meta({ description: 'Counts up from 1 with every new content of the same document.' }),
    title: z.string().meta({ description: "Its title; the file's name without its ending if none was given." }),
    fileName: z.string().meta({ description: 'As uploaded, without any path.' }),
    mediaType: z.string().meta({ description: 'Found in the bytes, whatever the name said.' }),
    sizeBytes: count.meta({ description: 'Size of the original in bytes.' }),
    state: z.enum(documentStates).meta({ description: 'READY can be searched; FAILED says why in `failure`.' }),
    percent: z.int().min(0).max(100).meta({ description: 'How much of the pipeline is done; 100 when READY.' }),
    failure: z
      .object({
        reason: z.enum(documentFailures).meta({
          description: documentFailures.map((reason) => `- \`${reason}\`: ${reasons[reason].message}`).join('\n'),
        }),
        message: z.string().meta({ description: 'The same in words.' }),
      })
      .optional()
      .meta({ description: 'Present when state is FAILED.' }),
    pageCount: count.meta({ description: 'Pages; 0 until they have been counted.' }),
    chunkCount: count.meta({ description: 'Chunks that it was cut into; 0 until it has been.' }),
    createdBy: z.string().meta({ description: 'Subject of the principal that uploaded it.' }),
    createdAt: instant.meta({ description: 'When it was uploaded.' }),
    updatedAt: instant.meta({ description: 'When its state, progress or content last changed.' }),
    etag: z.string().meta({ description: 'The same as the ETag header, without its quotes.' }),
    labels: z.array(z.string()).meta({ description: 'As given at the upload; searches can ask for them.' }),
    metadata: z
      .record(z.string(), z.string())
      .meta({ description: 'As given at the upload, by name; searches can ask for it.' }),
  })
  .meta({ description: "A document's metadata.", examples: [documentExample] });

/** A page of documents. */
export const documentPageSchema = pageOf(documentSchema).meta({
  description: 'A page of documents, newest first.',
  examples: [{ data: [documentExample], hasMore: false, nextToken: null }],
});

/** Names a document. What is no UUID names no document either, and is answered the same way: 404. */
export const documentParams = z.strictObject({
  documentId: id.meta({ description: "The document's id.", examples: [documentExample.documentId] }),
});

/** Filters of the list of documents. */
export const documentQuery = z.strictObject({
  ...pageQuery(200),
  state: z
    .union([z.enum(listedStates), z.array(z.enum(listedStates)).max(listedStates.length)])
    .transform((value) => (typeof value === 'string' ? [value] : value))
    .optional()
    .meta({
      description: 'Only documents in this state; may be given more than once.',
      override: { type: 'array', items: { type: 'string', enum: listedStates }, maxItems: listedStates.length },
    }),
});

const fileName = name({ min: 1, max: 255 });
const title = name({ max: 500 });
/** Labels of a document at most, and as many entries of its metadata. */
export const maxLabels = 20;
const label = name({ min: 1, max: 100 });
const labels = z.array(label).max(maxLabels);
const metadataValue = name({ min: 1, max: 200 });
const metadataName = /^[a-z][a-z0-9_]{0,63}$/;
// Checked before zod reads it: a record passes over `__proto__`, and what is not kept must not be taken.
const metadata = z
  .custom<object>(hasGoodNames, `is not an object whose names match ${metadataName.source}`)
  .pipe(z.record(z.string(), metadataValue))
  .refine((entries) => Object.keys(entries).length <= maxLabels, `has more than ${String(maxLabels)} entries`);
const labelsWords = 'What searches can ask for, beside the text; blanks around a label are dropped.';
const metadataWords = 'The same by name.';
const metadataOverride = {
  type: 'object',
  additionalProperties: { type: 'string', minLength: 1, maxLength: 200 },
  maxProperties: maxLabels,
};

/** An upload as JSON. */
export const uploadJsonSchema = z
  .strictObject({
    fileName: fileName.meta({ description: 'File name; any path in front of it is dropped.' }),
    title: title.optional().meta({ description: "Title; the file's name without its ending if not given." }),
    labels: labels.optional().meta({ description: labelsWords }),
    metadata: metadata.optional().meta({ description: metadataWords, override: metadataOverride }),
    contentBase64: z
      .string()
      .refine(isBase64, 'is not base64 (RFC 4648, with padding)')
      .meta({ description: 'The bytes in base64 (RFC 4648 §4, with padding).', override: { format: 'byte' } }),
  })
  .meta({
    description: 'A document as JSON, for clients that cannot send multipart.',
    examples: [
      {
        fileName: 'note.txt',
        title: 'A note',
        labels: ['manual'],
        metadata: { ward: '4 West' },
        contentBase64: 'SGVsbG8sIFdhcmRzdG9uZS4K',
      },
    ],
  });

/** The fields of a multipart upload that come before the file. */
export const uploadFieldsSchema = z.strictObject({
  title: title.optional(),
  fileName,
  labels: labels.optional(),
  metadata: metadata.optional(),
});

/** A multipart upload as it is described; the parts are read as they stream in. */
export const uploadMultipartSchema = z
  .strictObject({
    title: title.optional().meta({
      description: "Title; the file's name without its ending if not given. This part stands before the file.",
    }),
    labels: labels.optional().meta({
      description: `${labelsWords} A part for each, or one part with a JSON array (its text begins with \`[\`). Before the file.`,
    }),
    metadata: metadata.optional().meta({
      description: `${metadataWords} A part with a JSON object, before the file.`,
      override: metadataOverride,
    }),
    file: z
      .string()
      .meta({ description: 'The bytes, with a file name. The last part.', override: { format: 'binary' } }),
  })
  .meta({ description: 'A document as multipart/form-data, of any size: it is streamed, never held.' });

// A regular expression over tens of megabytes costs more than decoding them; length, alphabet and padding are enough.
function isBase64(value: string): boolean {
  return value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value);
}

function hasGoodNames(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.keys(value).every((key) => metadataName.test(key));
}
