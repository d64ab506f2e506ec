import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { textPdf } from '@wardstone/testing';

/** A document of the demo and how to come by its bytes. */
export interface DemoDocument {
  readonly fileName: string;
  bytes(): Promise<Uint8Array>;
}

/** What the demo ingests and asks. */
export interface DemoScript {
  /** Where the documents come from, as a sentence. */
  readonly origin: string;
  readonly documents: readonly DemoDocument[];
  /** Questions that the documents answer. */
  readonly questions: readonly string[];
  /** A question that they do not answer. */
  readonly unanswerable: string;
}

const maxFiles = 24;
const unanswerable = 'Which tyre pressure does the fire engine need in winter?';

/** The clinical notes beside the repository when they are there, otherwise notes that the project makes up. */
export async function demoScript(repositoryDir: string): Promise<DemoScript> {
  const notesDir = path.resolve(repositoryDir, '../shared/data/pdf-notes/files');
  return existsSync(notesDir) ? fromFolder(notesDir) : madeUp();
}

async function fromFolder(dir: string): Promise<DemoScript> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.pdf')).sort();
  return {
    origin: 'clinical notes of ACI-BENCH (CC BY 4.0), some of them scans without text',
    documents: names
      .slice(0, maxFiles)
      .map((fileName) => ({ fileName, bytes: () => readFile(path.join(dir, fileName)) })),
    questions: [
      'Which dose of carvedilol and lisinopril was prescribed for the high blood pressure?',
      'When was the lumpectomy, and what did pathology show?',
      'How common are eye tics in children?',
    ],
    unanswerable,
  };
}

const madeUpNotes: readonly { fileName: string; pages: readonly string[] }[] = [
  {
    fileName: 'visit-quill.pdf',
    pages: [
      'Visit note\n\nMarta Quill, 58 years old, comes for her yearly visit. She feels well and walks five kilometres a day. ' +
        'Blood pressure today is 152 over 94 mmHg, pulse 72, temperature normal. The lungs are clear on both sides.',
      'Plan\n\nStart amlodipine 5 mg once daily in the morning for hypertension. Marta Quill measures her blood pressure at home and ' +
        'brings the list to the next visit in six weeks. Laboratory: potassium 4.1, creatinine 0.9.',
    ],
  },
  {
    fileName: 'discharge-harrow.pdf',
    pages: [
      'Discharge letter\n\nJonas Harrow was admitted with community-acquired pneumonia of the right lower lobe. ' +
        'He was treated with ceftriaxone for five days and discharged without fever. He is allergic to penicillin: a rash in childhood.',
      'After discharge\n\nA chest radiograph is due four weeks after discharge. Jonas Harrow should not smoke. ' +
        'The next appointment at the lung clinic is on the third of March.',
    ],
  },
  {
    fileName: 'infusion-pump.pdf',
    pages: [
      'Infusion pump, short guide\n\nThe occlusion alarm sounds when the pressure in the line exceeds 600 mmHg. ' +
        'To reset the alarm, release the clamp, check the line for kinks, and press RESET for two seconds.',
      'Battery\n\nThe battery lasts eight hours at 25 millilitres per hour. Charge the pump for at least four hours before the first use.',
    ],
  },
];

function madeUp(): DemoScript {
  return {
    origin: 'notes that the project makes up',
    documents: madeUpNotes.map(({ fileName, pages }) => ({ fileName, bytes: () => textPdf(pages) })),
    questions: [
      'Which medicine does Marta Quill start for hypertension, and at which dose?',
      'What is Jonas Harrow allergic to?',
      'How is the occlusion alarm reset?',
    ],
    unanswerable,
  };
}
