/** What an uploader says of a document beside its name, and what searches can ask for. */
import { AppError, type FieldViolation } from '@wardstone/rpc';
import { z } from 'zod';

/** At most of each. */
const maxEntries = 20;
/** Longest label, in UTF-16 code units. */
const maxLabelChars = 100;
/** Longest value of the metadata, in UTF-16 code units. */
const maxValueChars = 200;

const namePattern = /^[a-z][a-z0-9_]{0,63}$/;
/** Controls, and the two line separators that are none: they could forge lines wherever a label is shown. */
const controls = /[\p{Cc}\u2028\u2029]/u;

/** Labels, each once, in the order in which they were given; metadata in the order of its names. */
export interface Labels {
  readonly labels: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

export const noLabels: Labels = Object.freeze({ labels: [], metadata: {} });

/**
 * Labels and metadata as they are kept: Unicode composed (search compares them so), no blanks around them. They are refused
 * rather than mended: what is asked for later has to be what was given.
 * Thrown: INVALID_ARGUMENT, naming fields and rules, never values.
 */
export function labelsOf(given: Labels): Labels {
  const labels = given.labels.map(composed);
  const entries = Object.entries(given.metadata).map(([name, value]) => [name, composed(value)] as const);
  const violations = [
    ...tooMany('labels', labels.length),
    ...tooMany('metadata', entries.length),
    ...labels.flatMap((label, index) => faultsOf(`labels[${String(index)}]`, label, maxLabelChars)),
    ...entries.flatMap(([name, value], index) =>
      namePattern.test(name)
        ? faultsOf(`metadata.${name}`, value, maxValueChars)
        : [{ field: `metadata[${String(index)}]`, description: `has a name that is not ${namePattern.source}` }],
    ),
  ];
  if (violations.length > 0) throw new AppError('INVALID_ARGUMENT', { violations });
  entries.sort(([one], [other]) => (one < other ? -1 : 1));
  return { labels: [...new Set(labels)], metadata: Object.fromEntries(entries) };
}

export function isUnlabelled({ labels, metadata }: Labels): boolean {
  return labels.length === 0 && Object.keys(metadata).length === 0;
}

/** The text that is sealed; equal labels give equal texts. */
export function writeLabels({ labels, metadata }: Labels): string {
  return JSON.stringify({ labels, metadata });
}

const written = z.strictObject({ labels: z.array(z.string()), metadata: z.record(z.string(), z.string()) });

/** What `writeLabels` wrote. Thrown: INTERNAL for any other text. */
export function readLabels(text: string): Labels {
  const result = written.safeParse(JSON.parse(text));
  // Without its cause: zod may quote what it read.
  if (!result.success) throw new AppError('INTERNAL', { message: 'these are no labels' });
  return result.data;
}

function composed(text: string): string {
  return text.normalize('NFC').trim();
}

function tooMany(field: string, count: number): FieldViolation[] {
  return count > maxEntries ? [{ field, description: `has more than ${String(maxEntries)} entries` }] : [];
}

function faultsOf(field: string, text: string, maxChars: number): FieldViolation[] {
  if (text === '') return [{ field, description: 'is empty' }];
  if (text.length > maxChars) return [{ field, description: `is longer than ${String(maxChars)} characters` }];
  return controls.test(text) ? [{ field, description: 'holds a control character' }] : [];
}
