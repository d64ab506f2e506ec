/**
 * The column of an entity that holds sealed values: one transformer for TypeORM, which lets nothing else in or out. It does
 * not seal: transformers are synchronous and know neither the tenant's key nor the row (the README says more).
 */
import { AppError } from '@wardstone/rpc';
import { readSealed, type SealedText } from './sealed-text.ts';

/** Which column it is, and of which field its values are sealed. */
export interface SealedColumnOptions {
  /** Name in the database. */
  readonly name: string;
  /** `field` of the context that the column's values are sealed in. */
  readonly field: string;
  readonly nullable?: boolean;
}

/** What a damaged column is read as: nothing opens it. */
const unreadable = '' as SealedText;

/**
 * Options of a column in an EntitySchema. Give the property the type `SealedText`.
 *
 * Writing: what is no value that `seal` made for this field is refused, before a statement is sent. Thrown: INTERNAL.
 * Reading: what is no such value comes as an empty text, which `open` refuses with SEALED_VALUE_INVALID. So a damaged row
 * can still be found, listed and deleted, only its field does not open; and clear text that got into the column some other
 * way does not come out of it.
 */
export function sealedColumn({ name, field, nullable = false }: SealedColumnOptions) {
  const isSealed = (value: unknown): value is SealedText => typeof value === 'string' && fieldOf(value) === field;
  const transformer = {
    to: (value: unknown): SealedText | null | undefined => {
      // Whether a value may be absent is the database's to say; TypeORM asks for columns that a statement leaves out.
      if (value === null || value === undefined || isSealed(value)) return value;
      throw new AppError('INTERNAL', { message: `the column ${name} takes only what is sealed for it` });
    },
    from: (value: unknown): SealedText | null | undefined =>
      value === null || value === undefined || isSealed(value) ? value : unreadable,
  };
  return { name, type: 'text', nullable, transformer } as const;
}

function fieldOf(text: string): string | undefined {
  try {
    return readSealed(text).field;
  } catch {
    // It is no sealed value; each direction says above what follows from that.
    return undefined;
  }
}
