import pg from 'pg';
import type { ClinicalNote } from './clinical-notes.ts';
import { sentencesOf } from './clinical-notes.ts';
import { inventedWord } from './identifiers.ts';
import { isKnown, type Known, type Leak, type Sought } from './leak-search.ts';
import { clearLetters, wordsOf } from './vocabulary.ts';

/** A sentence of a note, and a word that is of this plant alone. */
export interface Plant {
  readonly text: string;
  readonly mark: string;
}

/** The sentence of the notes with most short words that are looked for, of at most 120 characters. */
export function newPlant(notes: readonly ClinicalNote[], sought: Sought): Plant {
  const shortWords = (sentence: string): number =>
    [...wordsOf([sentence], clearLetters)].filter((word) => word.length < 7 && sought.words.has(word)).length;
  const sentences = notes.flatMap(({ original }) => sentencesOf(original)).filter(({ length }) => length <= 120);
  const [sentence = ''] = sentences.sort((one, other) => shortWords(other) - shortWords(one));
  const mark = inventedWord();
  return { text: `${sentence} ${mark}`, mark };
}

/** What is sought when a plant is. */
export function soughtWith(sought: Sought, ...plants: readonly Plant[]): Sought {
  return { ...sought, marks: [...sought.marks, ...plants.map(({ mark }) => mark)] };
}

/** What of a plant was not found in a place: its mark, or words of it that the place does not know. */
export function missedOf(plant: Plant, place: string, leaks: readonly Leak[], sought: Sought, known: Known): string[] {
  const found = new Set(leaks.filter((leak) => leak.place === place).map((leak) => leak.found));
  const words = [...wordsOf([plant.text], clearLetters)].filter(
    (word) => sought.words.has(word) && !isKnown(known, place, word),
  );
  const isShortLooked = words.some((word) => word.length < 7);
  return [...(isShortLooked ? [] : ['any short word']), ...[plant.mark, ...words].filter((word) => !found.has(word))];
}

/** Types of columns that can hold words, and how a text becomes a value of theirs. */
const values: Readonly<Record<string, string>> = {
  text: '$1::text',
  'character varying': '$1::varchar',
  jsonb: `jsonb_build_object('planted', $1::text)`,
  json: `json_build_object('planted', $1::text)`,
  bytea: `convert_to($1, 'UTF8')`,
  'text[]': 'array[$1]',
};

/**
 * Writes a plant of its own into a row of every table that has one and a column that takes it, in the client's transaction,
 * which the caller rolls back. Triggers and foreign keys are off in it. Gives each table's plant by its name.
 */
export async function plantInTables(client: pg.Client, makePlant: () => Plant): Promise<Map<string, Plant>> {
  await client.query('set local session_replication_role = replica');
  const { rows } = await client.query<{ table: string; column: string; type: string }>(
    `select format('%I.%I', nspname, relname) as table, format('%I', attname) as column, format_type(atttypid, null) as type
     from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
     where relkind = 'r' and nspname !~ '^pg_' and nspname <> 'information_schema'
       and attnum > 0 and not attisdropped and attgenerated = ''
     order by 1, attnum`,
  );
  const planted = new Map<string, Plant>();
  for (const { table, column, type } of rows) {
    const value = values[type];
    if (value === undefined || planted.has(table)) continue;
    const plant = makePlant();
    if (await plantIn(client, table, column, value, plant)) planted.set(table, plant);
  }
  return planted;
}

/** A class of SQLSTATE: what a constraint of the table, or a column's length, refuses. */
const refused = /^2[23]/;

async function plantIn(
  client: pg.Client,
  table: string,
  column: string,
  value: string,
  { text }: Plant,
): Promise<boolean> {
  await client.query('savepoint planting');
  try {
    const first = `(select min(ctid) from ${table})`;
    const { rowCount } = await client.query(`update ${table} set ${column} = ${value} where ctid = ${first}`, [text]);
    return rowCount === 1;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !refused.test(error.code ?? '')) throw error;
    await client.query('rollback to savepoint planting');
    return false;
  }
}
