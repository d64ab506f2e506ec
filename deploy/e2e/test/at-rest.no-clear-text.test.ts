import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { eventually } from '@wardstone/testing';
import { serviceNames } from '@wardstone/local/platform/programs';
import { type ClinicalNote, clinicalNotes, controlNotes, sentencesOf } from '../src/clinical-notes.ts';
import { dumpFiles } from '../src/dump.ts';
import { type Exercised, exercise } from '../src/exercise.ts';
import {
  isKnown,
  knownFrom,
  type Known,
  type Leak,
  leaksIn,
  marksIn,
  type Piece,
  soughtOf,
  type Sought,
  withLinesOf,
} from '../src/leak-search.ts';
import { everything, type Places, placesOf } from '../src/places.ts';
import { type Plant, missedOf, newPlant, plantInTables, soughtWith } from '../src/planting.ts';
import { plantsOfPlaces } from '../src/plants-of-places.ts';
import { clearLetters, wordsOf } from '../src/vocabulary.ts';
import { startWatchedStack, type WatchedStack } from '../src/watched-stack.ts';

describe('what is at rest, logged, traced and measured after clinical notes were ingested, searched and asked', function () {
  this.timeout(300_000);
  let watched: WatchedStack;
  let places: Places;
  let notes: readonly ClinicalNote[];
  let sought: Sought;
  let known: Known;
  let exercised: Exercised;
  let pieces: readonly Piece[];
  let leaks: readonly Leak[];
  let controlWords: ReadonlySet<string>;

  before(async () => {
    watched = await startWatchedStack('at-rest');
    places = placesOf(watched.stack, watched);
    notes = await clinicalNotes();
    sought = soughtOf(notes);

    // The same is done with documents of invented words first: what the system says then, it says by itself.
    const control = await controlNotes();
    controlWords = wordsOf(
      control.flatMap(({ text, title, fileName, question }) => [text, title, fileName, question]),
      clearLetters,
    );
    await settled(await exercise(watched.stack, control));
    // Looking leaves traces too: of the first look, in what the second one sees.
    await everything(places, watched.admin);
    known = knownFrom(await everything(places, watched.admin));

    exercised = await exercise(watched.stack, notes);
    await settled(exercised);
    pieces = await everything(places, watched.admin);
    leaks = leaksIn(pieces, sought, known);
  });
  after(async () => watched?.stop());

  /** All spans are there, the index is merged, and the planner's statistics are of what the tables hold. */
  async function settled({ traceId }: Exercised): Promise<void> {
    await watched.spansOf(traceId);
    await eventually(
      async () => {
        const { rows } = await watched.admin.query('select 1 from retrieval.keyword_document where not merged limit 1');
        return rows.length === 0;
      },
      { timeoutMs: 60_000, description: 'the keyword rows to be merged' },
    );
    await watched.admin.query('analyze');
  }

  const placesNamed = (start: string): string[] =>
    [...new Set(pieces.map(({ place }) => place))].filter((p) => p.startsWith(start));
  const leaksAt = (...starts: string[]): Leak[] =>
    leaks.filter(({ place }) => starts.some((start) => place.startsWith(start)));

  describe('the proof', () => {
    it('is of notes that were searchable, and of uploads and requests that failed in many ways', () => {
      expect(exercised.states.filter((state) => state === 'READY')).to.have.length(notes.length);
      expect(exercised.states.filter((state) => state === 'FAILED')).to.have.length.greaterThan(1);
      expect([...exercised.statuses.keys()]).to.include.members([200, 202, 204, 400, 401, 404, 415]);
    });

    it('looks for hundreds of words of four letters or more, and none of them is of the control', () => {
      const ofNotes = wordsOf(
        notes.map(({ original }) => original),
        clearLetters,
      );
      expect([...sought.words].filter((word) => ofNotes.has(word)).length).to.be.greaterThan(700);
      expect([...sought.words].filter((word) => word.length < 7).length).to.be.greaterThan(250);
      expect([...ofNotes].filter((word) => controlWords.has(word))).to.deep.equal([]);
    });

    it('lets no place use so many words itself that a sentence of a note could stand there unseen', () => {
      const sentences = [...new Set(notes.flatMap(({ original }) => sentencesOf(original)))]
        .map((sentence) => ({
          sentence,
          words: [...wordsOf([sentence], clearLetters)].filter((w) => sought.words.has(w)),
        }))
        .filter(({ words }) => words.length >= 4);
      expect(sentences.length).to.be.greaterThan(200);
      const unseen = [...known.keys()].flatMap((place) =>
        sentences
          .filter(({ words }) => words.every((w) => isKnown(known, place, w)))
          .map(({ sentence }) => `${place}: ${sentence}`),
      );
      expect(unseen).to.deep.equal([]);
    });

    it('has looked at every schema, program and store', async () => {
      const { rows } = await watched.admin.query<{ schema: string }>(
        `select distinct schemaname as schema from pg_tables where schemaname <> 'information_schema'`,
      );
      for (const { schema } of rows) expect(placesNamed(`table ${schema}.`), schema).not.to.deep.equal([]);
      expect(placesNamed('log ')).to.include.members(serviceNames.map((name) => `log ${name}.log`));
      expect(placesNamed('spans ')).to.have.members(serviceNames.map((name) => `spans ${name}`));
      expect(placesNamed('metrics ')).to.have.members(serviceNames.map((name) => `metrics ${name}`));
      for (const place of ['object', 'key store', 'database log', 'audit events']) {
        expect(placesNamed(place), place).not.to.deep.equal([]);
      }
      const log = pieces.find(({ place }) => place === 'database log')?.text ?? '';
      expect(log).to.match(/DETAIL: .*Parameters: \$1 = /);
      expect(pieces.some(({ place, text }) => place.startsWith('log ') && text.includes('"level":"debug"'))).to.equal(
        true,
      );
    });
  });

  it("is no word, identifier or question in any table of any schema, the queue and the server's own included", () => {
    expect(leaksAt('table ')).to.deep.equal([]);
  });

  it('is none in an object, and every object is sealed, with ids alone in its header', () => {
    expect(placesNamed('object')).to.deep.equal(['object']);
    expect(pieces.filter(({ place }) => place === 'object')).to.have.length.greaterThan(notes.length);
    expect(leaksAt('object')).to.deep.equal([]);
  });

  it('is none in the key store or a temporary file', () => {
    expect(leaksAt('key store', 'temporary file')).to.deep.equal([]);
  });

  it('is none in a log of a program at debug level', () => {
    expect(leaksAt('log ')).to.deep.equal([]);
  });

  it("is none in the database's own log, with every statement and its parameters", () => {
    expect(leaksAt('database log')).to.deep.equal([]);
  });

  it('is none in a span or a metric', () => {
    expect(leaksAt('spans ', 'metrics ')).to.deep.equal([]);
  });

  it('is none in the audit log as its auditor reads it', () => {
    expect(leaksAt('audit events')).to.deep.equal([]);
  });

  it("is no word of this run in the database server's files (tables, write-ahead log, temporary files) or beside them", async () => {
    const { rows } = await watched.admin.query<{ dir: string }>(`select current_setting('data_directory') as dir`);
    const { stateDir } = watched.stack.platform.layout;
    const dataDir = rows[0]?.dir ?? '';
    const found = new Set<string>();
    // Where Postgres runs as somebody else, its folder may be elsewhere.
    for (const dir of dataDir.startsWith(stateDir) ? [stateDir] : [stateDir, dataDir]) {
      for await (const file of dumpFiles(dir)) for (const mark of marksIn(file, sought.marks)) found.add(mark);
    }
    expect([...found]).to.deep.equal([]);
  });

  describe('a planted leak', () => {
    let proven: Known;
    before(() => {
      proven = withLinesOf(known, pieces);
    });

    const missed = (plant: Plant, found: Iterable<Piece>, place: string): string[] =>
      missedOf(plant, place, leaksIn(found, soughtWith(sought, plant), proven), sought, known);

    it('is caught in a row of a table of every schema, jobs included', async () => {
      await watched.admin.query('begin');
      try {
        const planted = await plantInTables(watched.admin, () => newPlant(notes, sought));
        const found = leaksIn(await places.database(watched.admin), soughtWith(sought, ...planted.values()), proven);
        const { rows } = await watched.admin.query<{ schema: string }>(
          `select distinct schemaname as schema from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
        );
        const schemas = new Set([...planted.keys()].map((table) => table.split('.')[0]));
        expect([...schemas]).to.have.members(rows.map(({ schema }) => schema));
        expect([...planted.keys()]).to.include('bullmq.job');
        for (const [table, plant] of planted) {
          expect(missedOf(plant, `table ${table}`, found, sought, known), table).to.deep.equal([]);
        }
      } finally {
        await watched.admin.query('rollback');
      }
    });

    it("is caught in a sealed object's header, whatever member it is in", async () => {
      const { objectsDir } = watched.stack.platform.layout;
      const [name = ''] = (await readdir(objectsDir, { recursive: true })).filter((file) => file.includes('original'));
      const sealed = await readFile(path.join(objectsDir, name), 'latin1');
      const word = [...sought.words].find(({ length }) => length === 'original'.length) ?? '';
      const file = path.join(objectsDir, 'planted');
      const leaksWith = async (from: string | RegExp, to: string): Promise<Leak[]> => {
        await writeFile(file, sealed.replace(from, to), 'latin1');
        return leaksIn(await places.objects(), sought, proven);
      };
      try {
        expect(await leaksWith('original', word)).to.deep.equal([{ place: 'object', found: word }]);
        const places = (await leaksWith(/resource(..)[0-9a-f]{8}/, `resource$1${word}`)).map(({ place }) => place);
        expect(new Set(places)).to.deep.equal(new Set(['object that is not sealed']));
      } finally {
        await rm(file);
      }
    });

    for (const { place, put } of plantsOfPlaces) {
      it(`is caught in ${place}`, async () => {
        const plant = newPlant(notes, sought);
        const { found, at, remove } = await put(watched, places, plant);
        await remove();
        for (const name of at) expect(missed(plant, found, name), name).to.deep.equal([]);
      });
    }
  });
});
