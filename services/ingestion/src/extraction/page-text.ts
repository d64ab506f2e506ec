/**
 * From what pdfjs finds on a page to the page's text. Runs inside the extraction process; imports nothing, so that it
 * can be tested by itself and loaded under the process's read permission.
 */

/** The part of pdfjs's TextItem that is used. */
export interface PositionedText {
  readonly str: string;
  readonly hasEOL: boolean;
  /** Text matrix: [a, b, c, d, x, y]. */
  readonly transform: readonly number[];
  /** Along the writing direction, in page units. */
  readonly width: number;
  readonly height: number;
  readonly dir: string;
}

/** A visible value that stands on the page but not in its content stream: a form field's, or a typed comment's. */
export interface PlacedText {
  readonly text: string;
  /** [left, bottom, right, top] in page units. */
  readonly rect: readonly number[];
}

interface Line {
  text: string;
  readonly x: number;
  readonly y: number;
  readonly height: number;
  /** A gap above the line is wide enough to begin a paragraph. */
  readonly startsParagraph: boolean;
}

/**
 * Lines in the order in which pdfjs reads them, separated by "\n", paragraphs by a blank line. Values of form fields
 * join the line that they stand on (that of their label), the others follow the page's text.
 */
export function pageText(items: readonly PositionedText[], placed: readonly PlacedText[]): string {
  const lines = linesOf(items);
  const trailing = placed.filter((value) => !joinToLine(lines, value)).map((value) => value.text);
  const text = lines
    .map((line, index) => (index > 0 && line.startsParagraph ? `\n${line.text}` : line.text))
    .concat(trailing)
    .join('\n');
  return cleanText(text);
}

function linesOf(items: readonly PositionedText[]): Line[] {
  const lines: Line[] = [];
  let current: Line | undefined;
  let previous: PositionedText | undefined;
  let brokeBefore = true;
  for (const item of items) {
    if (item.str !== '') {
      if (current === undefined || brokeBefore || jumpsBack(previous, item)) {
        current = {
          text: item.str,
          x: item.transform[4] ?? 0,
          y: item.transform[5] ?? 0,
          height: Math.abs(item.height),
          startsParagraph: isParagraphGap(current, item),
        };
        lines.push(current);
      } else {
        current.text += item.str;
      }
      previous = item;
      brokeBefore = false;
    }
    if (item.hasEOL) brokeBefore = true;
  }
  return lines;
}

/**
 * pdfjs puts a blank item between words that stand apart, and marks line ends, but joins a run that begins again to the
 * left of where the last one began (overprinting, mirrored fonts). Such a run is a line of its own.
 */
function jumpsBack(previous: PositionedText | undefined, item: PositionedText): boolean {
  if (previous === undefined || previous.dir !== 'ltr' || item.dir !== 'ltr') return false;
  const [a = 0, b = 0, , , x = 0, y = 0] = previous.transform;
  const size = Math.hypot(a, b);
  if (size === 0 || item.str.trim() === '') return false;
  const along = (((item.transform[4] ?? 0) - x) * a + ((item.transform[5] ?? 0) - y) * b) / size;
  return along < previous.width - Math.max(size, Math.abs(item.height));
}

function isParagraphGap(above: Line | undefined, item: PositionedText): boolean {
  if (above === undefined) return false;
  const [a = 0, b = 0, , , x = 0, y = 0] = item.transform;
  const size = Math.hypot(a, b);
  if (size === 0) return false;
  const across = Math.abs((x - above.x) * b - (y - above.y) * a) / size;
  return across > 1.7 * Math.max(above.height, Math.abs(item.height));
}

/** Appends a value to the last line whose baseline runs through the value's box, left of the box's right edge. */
function joinToLine(lines: readonly Line[], value: PlacedText): boolean {
  const [left = 0, bottom = 0, right = 0, top = 0] = value.rect;
  let best: Line | undefined;
  for (const line of lines) {
    const middle = line.y + line.height / 3;
    if (middle < bottom || middle > top || line.x > Math.max(left, right)) continue;
    if (best === undefined || line.x >= best.x) best = line;
  }
  if (best === undefined) return false;
  best.text = `${best.text.trimEnd()} ${value.text}`;
  return true;
}

/**
 * Drops what no reader sees and stores refuse (NUL and other controls, soft hyphens, lone halves of surrogate pairs),
 * and makes every line end "\n". Runs of blanks inside lines become one: PDF has no tabs, only positions.
 */
export function cleanText(text: string): string {
  return text
    .replace(/\r\n?|[\u0085\u2028\u2029\f\v]/g, '\n')
    .replace(invisible, '')
    .replace(/[\t \u00a0]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .toWellFormed()
    .replaceAll('\ufffd', '')
    .trim();
}

/** C0 and C1 controls but tab and line feed; soft hyphen; byte order mark. */
const invisible = new RegExp('[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\ufeff]', 'g');
