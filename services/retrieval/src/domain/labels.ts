/** What callers say of a document beside its text, and what searches can ask for. */

/** Labels and metadata of a document. */
export interface DocumentLabels {
  readonly labels: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** A document passes when `field` (`label` or `metadata.<name>`) has this value: one of its labels is, or that entry. */
export interface EqualityFilter {
  readonly field: string;
  readonly value: string;
}

/** Every filter that a document passes. */
export function filtersOf({ labels, metadata }: DocumentLabels): EqualityFilter[] {
  return [
    ...labels.map((label) => ({ field: 'label', value: comparable(label) })),
    ...Object.entries(metadata).map(([name, value]) => ({ field: `metadata.${name}`, value: comparable(value) })),
  ];
}

/** A filter as it is compared. Values are equal when they are spelled alike, in whatever composition of Unicode, blanks around them aside. */
export function comparableFilter({ field, value }: EqualityFilter): EqualityFilter {
  return { field, value: comparable(value) };
}

function comparable(value: string): string {
  return value.normalize('NFC').trim();
}
