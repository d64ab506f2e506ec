/** The parts of a document's vectors in the object store. */
import { AppError, type Reason } from '@wardstone/rpc';
import type { DocumentRef, ObjectRef, SealedObjects } from '@wardstone/storage';
import { partLines, usageOfPart, vectorOfLine, type KeptVector, type KeptVectors } from '../domain/vectors-part.ts';
import { addUsage, noUsage } from '../domain/usage.ts';
import type { EmbeddingModel, EmbeddingUsage } from '../ports.ts';

/** A part that is not there, or that cannot be opened or read any more, is as good as none: its texts are paid for again. */
const asGoodAsNone: ReadonlySet<Reason> = new Set<Reason>([
  'NOT_FOUND',
  'SEALED_VALUE_INVALID',
  'KEY_VERSION_NOT_FOUND',
  'KEY_VERSION_RETIRED',
  'INTERNAL',
]);

export interface KeptVectorsOfDocument {
  /** What an earlier run has kept in a part. Thrown: transient reasons of the store and the keys. */
  read(part: number, signal: AbortSignal): Promise<Map<number, KeptVector>>;
  /** Replaces a part. Thrown: as by the store. */
  write(part: number, kept: KeptVectors, signal: AbortSignal): Promise<void>;
  /** What all parts together have taken. */
  usage(parts: number, signal: AbortSignal): Promise<EmbeddingUsage>;
}

export function keptVectors(
  objects: Pick<SealedObjects, 'readJsonLines' | 'writeJsonLines'>,
  document: DocumentRef,
  model: Pick<EmbeddingModel, 'id' | 'dimensions'>,
): KeptVectorsOfDocument {
  const refOf = (part: number): ObjectRef => ({ ...document, name: `vectors-parts/${part}` });
  return {
    async read(part, signal) {
      const kept = new Map<number, KeptVector>();
      let isHeader = true;
      for await (const line of linesOf(objects, refOf(part), signal)) {
        if (isHeader && usageOfPart(model, line) === undefined) break;
        const found = isHeader ? undefined : vectorOfLine(model, line);
        if (found !== undefined) kept.set(...found);
        isHeader = false;
      }
      return kept;
    },
    async write(part, kept, signal) {
      const usage = [...kept.values()].reduce((sum, one) => addUsage(sum, one.usage), noUsage);
      await objects.writeJsonLines(refOf(part), partLines(model, kept, usage), { signal });
    },
    async usage(parts, signal) {
      let sum = noUsage;
      for (let part = 0; part < parts; part += 1) {
        for await (const line of linesOf(objects, refOf(part), signal)) {
          sum = addUsage(sum, usageOfPart(model, line) ?? noUsage);
          break;
        }
      }
      return sum;
    },
  };
}

async function* linesOf(
  objects: Pick<SealedObjects, 'readJsonLines'>,
  ref: ObjectRef,
  signal: AbortSignal,
): AsyncGenerator<unknown> {
  try {
    yield* objects.readJsonLines(ref, { signal });
  } catch (error) {
    if (signal.aborted || !asGoodAsNone.has(AppError.from(error).reason)) throw error;
  }
}
