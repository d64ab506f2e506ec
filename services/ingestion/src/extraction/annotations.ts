/** The values of form fields and typed comments: what a reader sees on a page although its content stream lacks it. */
import type { PlacedText } from './page-text.ts';

/** The part of pdfjs's annotation data that is used; pdfjs types it as `any`. */
interface Annotation {
  readonly subtype?: unknown;
  readonly annotationFlags?: unknown;
  readonly rect?: unknown;
  readonly hidden?: unknown;
  readonly password?: unknown;
  readonly fieldType?: unknown;
  readonly fieldValue?: unknown;
  readonly options?: unknown;
  readonly contentsObj?: unknown;
  readonly textContent?: unknown;
}

/** Annotation flags of ISO 32000-2, table 167: hidden (bit 2) and no view (bit 6). */
const hiddenFlags = 0b10_0010;

/** Texts of the annotations that are shown with the page, in the document's order. Unselected options are not data. */
export function visibleAnnotationTexts(annotations: readonly unknown[]): PlacedText[] {
  const found: PlacedText[] = [];
  for (const annotation of annotations) {
    if (!isObject(annotation) || isHidden(annotation)) continue;
    const text = annotation.subtype === 'Widget' ? fieldText(annotation) : commentText(annotation);
    if (text.trim() !== '') found.push({ text: text.trim(), rect: numbers(annotation.rect) });
  }
  return found;
}

function isHidden(annotation: Annotation): boolean {
  const flags = typeof annotation.annotationFlags === 'number' ? annotation.annotationFlags : 0;
  return annotation.hidden === true || annotation.password === true || (flags & hiddenFlags) !== 0;
}

function fieldText(field: Annotation): string {
  if (field.fieldType === 'Tx') return strings(field.fieldValue).join('\n');
  if (field.fieldType !== 'Ch') return '';
  const options = Array.isArray(field.options) ? (field.options as unknown[]).filter(isObject) : [];
  return strings(field.fieldValue)
    .map((value) => {
      const option = options.find((candidate) => candidate['exportValue'] === value);
      return typeof option?.['displayValue'] === 'string' ? option['displayValue'] : value;
    })
    .join('\n');
}

/** Only free text stands on the page itself; the text of a pop-up note is seen when it is opened. */
function commentText(annotation: Annotation): string {
  if (annotation.subtype !== 'FreeText') return '';
  const lines = strings(annotation.textContent);
  if (lines.length > 0) return lines.join('\n');
  const contents = annotation.contentsObj;
  return isObject(contents) && typeof contents['str'] === 'string' ? contents['str'] : '';
}

function isObject(value: unknown): value is Record<string, unknown> & Annotation {
  return typeof value === 'object' && value !== null;
}

function strings(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((item) => typeof item === 'string');
}

function numbers(value: unknown): number[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'number') : [];
}
