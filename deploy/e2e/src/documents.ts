import { textPdf } from '@wardstone/testing';

const subjects = ['Amoxaril', 'Betrizone', 'Cardovane', 'Dormitex', 'Enzaplin', 'Floradex', 'Gastrimol', 'Hepatrine'];
const findings = ['tachycardic', 'normotensive', 'bradypneic', 'afebrile', 'diaphoretic', 'orthostatic'];

/** A synthetic visit note whose words are known: nothing in it was written about a person. */
export interface SyntheticNote {
  readonly fileName: string;
  readonly title: string;
  readonly pages: readonly string[];
  /** A question that only this note answers. */
  readonly question: string;
  /** Words of the answer's sentence. */
  readonly answer: string;
}

/** The n-th synthetic note: two pages, always the same for the same number and batch. */
export function syntheticNote(number: number, batch = 'Meadow'): SyntheticNote {
  const drug = `${subjects[number % subjects.length] ?? ''}${number}`;
  const finding = findings[number % findings.length] ?? '';
  const patient = `Quillfeather${batch}${number}`;
  const answer = `${patient} takes ${drug} ${10 + number} milligrams every ${6 + (number % 5)} hours.`;
  return {
    fileName: `visit-${batch}-${number}.pdf`,
    title: `Visit note ${batch} ${number}`,
    pages: [
      `Visit note ${number}\n\n${patient} came to the Larkspurgate clinic feeling unwell. On examination ${patient} was ${finding}. ` +
        `The laboratory reported a zephyrine level of ${number * 3 + 1} units.`,
      `Plan\n\n${answer} A follow-up with the Larkspurgate cardionexus team is arranged in ${number + 2} weeks.`,
    ],
    question: `How many milligrams of ${drug} does ${patient} take?`,
    answer,
  };
}

/** The note as a PDF. */
export const notePdf = (note: SyntheticNote): Promise<Buffer> => textPdf(note.pages, { title: 'Note' });
