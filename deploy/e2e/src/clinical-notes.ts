import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { textPdf } from '@wardstone/testing';
import { headings, inventedPatient, inventedWord, type Patient, writtenOut } from './identifiers.ts';

const fixture = path.resolve(import.meta.dirname, '../test/fixtures/clinical-notes/notes.jsonl');

/** A note with a patient of this run in it, its file, and a question about it. */
export interface ClinicalNote {
  readonly patient: Patient;
  /** The note as it was found, without anything that was added. */
  readonly original: string;
  /** The note with the patient at its head, and a word of this run behind each paragraph. */
  readonly text: string;
  readonly title: string;
  readonly fileName: string;
  readonly question: string;
  /** Words of this run: one of a paragraph each, the title, the file's name and the question. */
  readonly marks: readonly string[];
  readonly bytes: Buffer;
}

const kinds = ['pdf', 'txt', 'md'] as const;

/** Real clinical notes (the fixture says whose), with this run's patients and words added. */
export async function clinicalNotes(): Promise<ClinicalNote[]> {
  const lines = (await readFile(fixture, 'utf8')).trim().split('\n');
  const texts = lines.map((line) => (JSON.parse(line) as { readonly text: string }).text);
  return Promise.all(texts.map(async (text, at) => madeOf(text, at, longestSentence(text), headings)));
}

/**
 * Documents of the same build as a note whose every word is invented: what the system says while it handles these it says by
 * itself.
 */
export async function controlNotes(): Promise<ClinicalNote[]> {
  const sentence = (): string => `${Array.from({ length: 9 }, inventedWord).join(' ')}.`;
  const paragraph = (): string => Array.from({ length: 4 }, sentence).join(' ');
  const texts = kinds.map(() => Array.from({ length: 6 }, paragraph).join('\n\n'));
  return Promise.all(
    texts.map(async (text, at) => madeOf(text, at, longestSentence(text), headings.map(inventedWord))),
  );
}

async function madeOf(original: string, at: number, topic: string, labels: readonly string[]): Promise<ClinicalNote> {
  const patient = inventedPatient();
  const marks: string[] = [];
  const mark = (): string => {
    const word = inventedWord();
    marks.push(word);
    return word;
  };
  const paragraphs = original.split(/\n{2,}/).map((paragraph) => `${paragraph} ${mark()}`);
  const text = `${writtenOut(patient, labels)}\n\n${paragraphs.join('\n\n')}`;
  const kind = kinds[at % kinds.length] ?? 'txt';
  const titleWords = topic.split(' ').slice(0, 4).join(' ');
  return {
    patient,
    original,
    text,
    title: `${titleWords} ${patient.familyName} ${mark()}`,
    fileName: `${patient.familyName}-${patient.recordNumber}-${mark()}.${kind}`,
    question: `${topic.replace(/\.$/, '')} ${patient.givenName} ${patient.familyName} ${mark()}?`,
    marks,
    bytes: kind === 'pdf' ? await textPdf(pagesOf(text), { title: `${titleWords} ${mark()}` }) : Buffer.from(text),
  };
}

function longestSentence(text: string): string {
  const [longest = ''] = sentencesOf(text).sort((one, other) => other.length - one.length);
  return longest.slice(0, 300);
}

/** Sentences and lines of a text. */
export function sentencesOf(text: string): string[] {
  return text
    .split(/(?<=[.?!])\s+|\n+/)
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== '');
}

/** Pages of so many lines that a page holds them, whatever their length. */
function pagesOf(text: string): string[] {
  const sentences = sentencesOf(text);
  const perPage = 12;
  const count = Math.ceil(sentences.length / perPage);
  return Array.from({ length: count }, (_, page) =>
    sentences
      .slice(page * perPage, (page + 1) * perPage)
      .join('\n')
      .replaceAll('•', '-'),
  );
}
