/** From a PDF's bytes to its text. Runs in the extraction process. */
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Pdfjs from 'pdfjs-dist';
import { DocumentTextBuilder } from '../domain/document-text.ts';
import type { DocumentText } from '../domain/document-text.ts';
import { Refused } from '../domain/refusal.ts';
import type { Refusal } from '../domain/refusal.ts';
import { visibleAnnotationTexts } from './annotations.ts';
import { pageText } from './page-text.ts';
import type { PositionedText } from './page-text.ts';

/** Pages between two clean-ups of pdfjs's caches: bounds the memory of long documents. */
const pagesPerCleanup = 50;

export interface PdfLimits {
  readonly maxPages: number;
  /** Of the whole document's text, in UTF-16 code units. */
  readonly maxChars: number;
}

/** Told how far the reading has come. */
export interface PdfProgress {
  opened(pages: number): void;
  page(page: number): void;
}

export interface PdfReader {
  /** Thrown: Refused. */
  read(data: Uint8Array, limits: PdfLimits, progress: PdfProgress): Promise<DocumentText>;
}

/** Loads pdfjs from the URL of its main module. */
export async function loadPdfReader(pdfjsUrl: string): Promise<PdfReader> {
  const pdfjs = (await import(pdfjsUrl)) as typeof Pdfjs;
  await import(new URL('pdf.worker.mjs', pdfjsUrl).href);
  const packageDir = join(dirname(fileURLToPath(pdfjsUrl)), '..', '..');
  const options = {
    cMapUrl: join(packageDir, 'cmaps') + sep,
    cMapPacked: true,
    standardFontDataUrl: join(packageDir, 'standard_fonts') + sep,
    useSystemFonts: false,
    useWorkerFetch: false,
    disableFontFace: true,
    enableXfa: false,
    verbosity: pdfjs.VerbosityLevel.ERRORS,
  };
  return {
    async read(data, limits, progress) {
      const task = pdfjs.getDocument({ data, ...options });
      try {
        return await readPages(await task.promise, limits, progress);
      } catch (error) {
        throw new Refused(refusalOf(error), { cause: error });
      } finally {
        await task.destroy().catch(() => undefined);
      }
    },
  };
}

async function readPages(
  document: Pdfjs.PDFDocumentProxy,
  limits: PdfLimits,
  progress: PdfProgress,
): Promise<DocumentText> {
  if (document.numPages === 0) throw new Refused('PDF_NO_PAGES');
  if (document.numPages > limits.maxPages) throw new Refused('TOO_MANY_PAGES');
  progress.opened(document.numPages);
  const builder = new DocumentTextBuilder(limits.maxChars);
  let charsLeft = limits.maxChars;
  for (let number = 1; number <= document.numPages; number += 1) {
    const text = await readPage(await document.getPage(number), charsLeft);
    charsLeft -= text.length;
    builder.addPage(number, text);
    progress.page(number);
    if (number % pagesPerCleanup === 0) await document.cleanup();
  }
  return builder.finish(document.numPages);
}

/** Reads a page's items as they come, so that a page that never ends is given up when it is too large. */
async function readPage(page: Pdfjs.PDFPageProxy, maxChars: number): Promise<string> {
  const items: PositionedText[] = [];
  let chars = 0;
  const reader = page.streamTextContent().getReader() as ReadableStreamDefaultReader<{ items: unknown[] }>;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    for (const item of value.items as (PositionedText | { type: string })[]) {
      if (!('str' in item)) continue;
      chars += item.str.length;
      items.push(item);
    }
    if (chars > maxChars) throw new Refused('TEXT_TOO_LARGE');
  }
  // Annotations that cannot be read fail the document: a form without its values would be silently incomplete.
  const annotations = (await page.getAnnotations()) as unknown[];
  const text = pageText(items, visibleAnnotationTexts(annotations));
  if (text.length > maxChars) throw new Refused('TEXT_TOO_LARGE');
  page.cleanup();
  return text;
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refused) return error.refusal;
  if (!(error instanceof Error)) return 'PDF_CORRUPT';
  if (error.name === 'PasswordException' || /encryption/i.test(error.message)) return 'PDF_ENCRYPTED';
  if (/allocation failed|Invalid (array|typed array|string) length/.test(error.message)) return 'EXTRACTION_MEMORY';
  if (/Pages tree|Kids|page dictionary/i.test(error.message) && /empty|no pages|Page count/i.test(error.message)) {
    return 'PDF_NO_PAGES';
  }
  return 'PDF_CORRUPT';
}
