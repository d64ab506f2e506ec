import { getDocument, VerbosityLevel } from 'pdfjs-dist/legacy/build/pdf.mjs';

/** Reads the text of PDFs as pdfjs-dist's examples do, one after the other, in this process; counts their pages. */
export async function readWithBarePdfjs(files: readonly Uint8Array[]): Promise<number> {
  let pages = 0;
  for (const file of files) {
    // pdfjs takes the bytes over, so that each reading needs its own.
    const task = getDocument({ data: new Uint8Array(file), useSystemFonts: false, verbosity: VerbosityLevel.ERRORS });
    const document = await task.promise;
    for (let number = 1; number <= document.numPages; number += 1) {
      const page = await document.getPage(number);
      await page.getTextContent();
      pages += 1;
    }
    await task.destroy();
  }
  return pages;
}
