import { crc32, deflateSync } from 'node:zlib';
import PDFDocument from 'pdfkit';

export interface PdfOptions {
  readonly title?: string;
  /** Makes an encrypted PDF that asks for this password. */
  readonly userPassword?: string;
  /** Whether page contents are compressed; true unless told. */
  readonly compress?: boolean;
}

/** A PDF with one page for each text given. A text too long for its page is an error, so that pages are what they say. */
export async function textPdf(pages: readonly string[], options: PdfOptions = {}): Promise<Buffer> {
  return render(
    options,
    (document) => {
      for (const text of pages) {
        document.addPage();
        document.fontSize(11).text(text, { lineGap: 2 });
      }
    },
    pages.length,
  );
}

/** A PDF of `count` pages; page n says "Page n of count" and a sentence with its own number in words of its own. */
export async function pagesPdf(count: number, options: PdfOptions = {}): Promise<Buffer> {
  const pages = Array.from({ length: count }, (_, at) => {
    const page = at + 1;
    return `Page ${page} of ${count}. The synthetic reading of station ${page} was ${page * 7 + 3} units.`;
  });
  return textPdf(pages, options);
}

/** A PDF whose pages hold one picture each and no text, as a scan does. */
export async function imageOnlyPdf(pageCount = 1, options: PdfOptions = {}): Promise<Buffer> {
  const picture = noisePng(64);
  return render(
    options,
    (document) => {
      for (let page = 0; page < pageCount; page += 1) {
        document.addPage();
        document.image(picture, 72, 72, { width: 400 });
      }
    },
    pageCount,
  );
}

async function render(
  options: PdfOptions,
  draw: (document: PDFKit.PDFDocument) => void,
  expectedPages: number,
): Promise<Buffer> {
  const document = new PDFDocument({
    autoFirstPage: false,
    compress: options.compress ?? true,
    info: { Title: options.title ?? 'Synthetic document', CreationDate: new Date(0) },
    ...(options.userPassword === undefined ? {} : { userPassword: options.userPassword }),
  });
  let pages = 0;
  document.on('pageAdded', () => (pages += 1));
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    document.on('end', () => resolve());
    document.on('error', reject);
  });
  draw(document);
  document.end();
  await ended;
  if (pages !== expectedPages) throw new Error(`the text took ${pages} pages instead of ${expectedPages}`);
  return Buffer.concat(chunks);
}

/** A grey picture of deterministic noise (PNG, ISO/IEC 15948). */
function noisePng(side: number): Buffer {
  const rows = Buffer.alloc(side * (side + 1));
  let state = 1;
  for (let at = 0; at < rows.length; at += 1) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    // Each row begins with its filter type, 0.
    rows[at] = at % (side + 1) === 0 ? 0 : state % 256;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 8;
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(rows)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
