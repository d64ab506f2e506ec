import { z } from 'zod';

/** First line of a `chunks` artefact: what is known of the document. Holds PHI; the artefact is sealed. */
export interface DocumentLine {
  readonly kind: 'document';
  readonly documentId: string;
  readonly version: number;
  readonly title: string;
  readonly fileName: string;
  /** Pages, from 1; 1 for formats without pages. */
  readonly pageCount: number;
  /** UTF-16 code units of the whole text. */
  readonly charCount: number;
  readonly mediaType: string;
  /** Given by whoever uploaded it; searches can ask for them. At most 20, of 1 to 100 UTF-16 code units. */
  readonly labels?: readonly string[] | undefined;
  /** The same, by name: at most 20, values of 1 to 200 UTF-16 code units. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** Every further line of a `chunks` artefact. Offsets are UTF-16 code units; `charEnd` is exclusive. */
export interface ChunkLine {
  readonly kind: 'chunk';
  /** From 0, without gaps. */
  readonly ordinal: number;
  readonly text: string;
  readonly pageStart: number;
  readonly pageEnd: number;
  /** Where the chunk stands in the document's text. */
  readonly charStart: number;
  readonly charEnd: number;
  /** Where each page begins within the chunk's own text; the first entry has offset 0. */
  readonly pageBreaks: readonly PageBreak[];
}

/** Start of a page within a chunk. */
export interface PageBreak {
  readonly page: number;
  readonly chunkOffset: number;
}

/** First line of a `vectors` artefact. */
export interface VectorsLine {
  readonly kind: 'vectors';
  readonly modelId: string;
  readonly dimensions: number;
  readonly count: number;
}

/** Every further line of a `vectors` artefact: the vector of the chunk with the same ordinal. */
export interface VectorLine {
  readonly ordinal: number;
  /** Base64 of little-endian float32, `dimensions` of them. */
  readonly values: string;
}

const count = z.int().min(0);

const documentLineSchema = z.strictObject({
  kind: z.literal('document'),
  documentId: z.uuid(),
  version: z.int().min(1),
  title: z.string(),
  fileName: z.string(),
  pageCount: z.int().min(1),
  charCount: count,
  mediaType: z.string().min(1),
  labels: z.array(z.string().min(1).max(100)).max(20).optional(),
  metadata: z
    .record(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/), z.string().min(1).max(200))
    .refine((metadata) => Object.keys(metadata).length <= 20, { message: 'more than 20 entries' })
    .optional(),
});

export const chunkLineSchema = z
  .strictObject({
    kind: z.literal('chunk'),
    ordinal: count,
    text: z.string().min(1),
    pageStart: z.int().min(1),
    pageEnd: z.int().min(1),
    charStart: count,
    charEnd: count,
    pageBreaks: z.array(z.strictObject({ page: z.int().min(1), chunkOffset: count })).min(1),
  })
  .refine((chunk) => chunk.pageEnd >= chunk.pageStart && chunk.charEnd > chunk.charStart, {
    message: 'a span ends after it starts',
  });

export const vectorsLineSchema = z.strictObject({
  kind: z.literal('vectors'),
  modelId: z.string().min(1),
  dimensions: z.int().min(1).max(16_384),
  count,
});

const vectorLineSchema = z.strictObject({ ordinal: count, values: z.base64() });

/** The lines of a `chunks` artefact, in order, each a JSON text without its line end. */
export function* chunksArtefact(document: DocumentLine, chunks: Iterable<ChunkLine>): Generator<string> {
  yield JSON.stringify(documentLineSchema.parse(document));
  for (const chunk of chunks) yield JSON.stringify(chunkLineSchema.parse(chunk));
}

/**
 * Reads a `chunks` artefact line by line, without holding it all. Accepts lines as text or as parsed JSON.
 * Thrown: ArtefactError when a line is not what it should be or ordinals have a gap; never with the line's content.
 */
export async function* readChunksArtefact(
  lines: AsyncIterable<unknown> | Iterable<unknown>,
): AsyncGenerator<DocumentLine | ChunkLine> {
  let ordinal = -1;
  for await (const line of lines) {
    if (ordinal === -1) {
      yield parseLine(documentLineSchema, line, 'chunks', 0);
    } else {
      const chunk = parseLine(chunkLineSchema, line, 'chunks', ordinal + 1);
      if (chunk.ordinal !== ordinal) throw new ArtefactError('chunks', ordinal + 1, 'ordinal');
      yield chunk;
    }
    ordinal += 1;
  }
  if (ordinal === -1) throw new ArtefactError('chunks', 0, 'empty');
}

/** The lines of a `vectors` artefact. Thrown: ArtefactError when the vectors are not as many or as long as said. */
export function* vectorsArtefact(header: VectorsLine, vectors: Iterable<Float32Array>): Generator<string> {
  yield JSON.stringify(vectorsLineSchema.parse(header));
  let ordinal = 0;
  for (const vector of vectors) {
    if (vector.length !== header.dimensions) throw new ArtefactError('vectors', ordinal + 1, 'dimensions');
    yield JSON.stringify({ ordinal, values: encodeVector(vector) } satisfies VectorLine);
    ordinal += 1;
  }
  if (ordinal !== header.count) throw new ArtefactError('vectors', ordinal, 'count');
}

/**
 * Reads a `vectors` artefact: first its header, then each vector with its ordinal.
 * Thrown: ArtefactError when a line is not what it should be, or when fewer or more vectors come than the header says.
 */
export async function* readVectorsArtefact(
  lines: AsyncIterable<unknown> | Iterable<unknown>,
): AsyncGenerator<VectorsLine | { readonly ordinal: number; readonly vector: Float32Array }> {
  let header: VectorsLine | undefined;
  let ordinal = 0;
  for await (const line of lines) {
    if (header === undefined) {
      header = parseLine(vectorsLineSchema, line, 'vectors', 0);
      yield header;
      continue;
    }
    const { ordinal: found, values } = parseLine(vectorLineSchema, line, 'vectors', ordinal + 1);
    const vector = decodeVector(values);
    if (found !== ordinal) throw new ArtefactError('vectors', ordinal + 1, 'ordinal');
    if (vector.length !== header.dimensions) throw new ArtefactError('vectors', ordinal + 1, 'dimensions');
    yield { ordinal, vector };
    ordinal += 1;
  }
  if (header === undefined) throw new ArtefactError('vectors', 0, 'empty');
  if (ordinal !== header.count) throw new ArtefactError('vectors', ordinal, 'count');
}

/** Base64 of the values as little-endian float32, whatever the machine's byte order. */
export function encodeVector(vector: Float32Array): string {
  const bytes = Buffer.allocUnsafe(vector.length * 4);
  vector.forEach((value, index) => bytes.writeFloatLE(value, index * 4));
  return bytes.toString('base64');
}

/** The values of {@link encodeVector}. Thrown: ArtefactError when the length is not a multiple of four bytes. */
export function decodeVector(values: string): Float32Array {
  const bytes = Buffer.from(values, 'base64');
  if (bytes.length % 4 !== 0) throw new ArtefactError('vectors', 0, 'length');
  const vector = new Float32Array(bytes.length / 4);
  for (let index = 0; index < vector.length; index += 1) vector[index] = bytes.readFloatLE(index * 4);
  return vector;
}

/** An artefact is not what its stage promises. Says where, never what stood there: artefacts hold PHI. */
export class ArtefactError extends Error {
  readonly artefact: 'chunks' | 'vectors';
  readonly line: number;
  readonly problem: string;

  constructor(artefact: 'chunks' | 'vectors', line: number, problem: string) {
    super(`artefact ${artefact}, line ${line}: ${problem}`);
    this.name = 'ArtefactError';
    this.artefact = artefact;
    this.line = line;
    this.problem = problem;
  }
}

function parseLine<T>(schema: z.ZodType<T>, line: unknown, artefact: 'chunks' | 'vectors', number: number): T {
  let value = line;
  if (typeof line === 'string') {
    try {
      value = JSON.parse(line);
    } catch {
      throw new ArtefactError(artefact, number, 'not JSON');
    }
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  // Only the paths of the fields: zod's messages may quote what it received.
  const fields = result.error.issues.map((issue) => issue.path.join('.') || '(line)');
  throw new ArtefactError(artefact, number, `unexpected ${[...new Set(fields)].join(', ')}`);
}
