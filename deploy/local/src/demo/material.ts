import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { textPdf } from '@wardstone/testing';
import { repositoryDir } from '../platform/layout.ts';
import { syntheticNotes } from './synthetic-notes.ts';

/** A file to take in. */
export interface DemoFile {
  readonly name: string;
  readonly title: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Derived from the bytes: the same file is the same document in every run. */
  readonly key: string;
}

/** What the demonstration works on. */
export interface Material {
  readonly source: string;
  readonly files: readonly DemoFile[];
  readonly questions: readonly string[];
  /** A question that none of the files answers. */
  readonly unanswerable: string;
}

const dataDir = path.resolve(repositoryDir, '../shared/data');
const otherPdfs = [
  'text-government--phdi--LAC_Pilot_Executive_Brief_Final.pdf',
  'text--sample-files--pdflatex-4-pages.pdf',
  'text--sample-files--002-trivial-libre-office-writer.pdf',
];
const unanswerable = 'Which torque do the wheel bolts of the delivery van need?';

/** Real PDFs where they lie beside the repository, otherwise PDFs that are made here from invented notes. */
export async function findMaterial(): Promise<Material> {
  return (await realMaterial()) ?? (await syntheticMaterial());
}

async function realMaterial(): Promise<Material | undefined> {
  const notesDir = path.join(dataDir, 'pdf-notes/files');
  const names = (await readdir(notesDir).catch(() => [])).filter((name) => name.endsWith('.pdf')).sort();
  if (names.length === 0) return undefined;
  // One scan shows what happens to a document without text; the others would say the same again.
  const scans = names.filter((name) => name.includes('-scan'));
  const chosen = names.filter((name) => !scans.slice(1).includes(name)).map((name) => path.join(notesDir, name));
  const present: string[] = await readdir(path.join(dataDir, 'pdf/files')).catch(() => []);
  const others = otherPdfs
    .filter((name) => present.includes(name))
    .map((name) => path.join(dataDir, 'pdf/files', name));
  return {
    source: dataDir,
    files: await Promise.all(
      [...chosen, ...others].map(async (file) => toFile(path.basename(file), await readFile(file))),
    ),
    questions: [
      'How will his blood pressure regimen be changed?',
      'What did Dr. Brown start for the anxiety?',
      'What is recommended for the left shoulder pain?',
      'Is there a family history of seizures?',
    ],
    unanswerable,
  };
}

async function syntheticMaterial(): Promise<Material> {
  const files = await Promise.all(
    syntheticNotes.map(async ({ name, title, pages }) => toFile(name, await textPdf(pages, { title }), title)),
  );
  return {
    source: 'invented notes, typeset here',
    files,
    questions: [
      'Which dose of lisinopril does Mira Holt take?',
      'When should the dressing of the left knee be changed?',
      'How is the occlusion alarm of the infusion pump reset?',
    ],
    unanswerable,
  };
}

function toFile(name: string, content: Buffer, title?: string): DemoFile {
  const bytes = new Uint8Array(content);
  const digest = createHash('sha256').update(bytes).digest('hex');
  return { name, title: title ?? path.basename(name, '.pdf'), bytes, key: `demo-${digest}` };
}
