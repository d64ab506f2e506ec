import { expect } from 'chai';
import { collect, dumpDatabase, dumpFiles } from '../src/dump.ts';
import { notePdf, syntheticNote } from '../src/documents.ts';
import { ingest, startStack, type Stack } from '../src/stack.ts';
import { leakedWords, wordsOf } from '../src/vocabulary.ts';

const notes = Array.from({ length: 6 }, (_, number) => syntheticNote(number, 'Orchard'));

describe('what is at rest after documents were ingested, searched and asked', function () {
  this.timeout(180_000);
  let stack: Stack;
  let known: Set<string>;
  const documents = wordsOf(notes.flatMap((note) => [...note.pages, note.title, note.fileName, note.question]));
  const dump = () => collect(dumpDatabase(stack.platform.adminDatabaseUrl));

  before(async () => {
    stack = await startStack('at-rest');
    known = wordsOf(await dump());
    const rest = stack.as('north-clinician');
    for (const note of notes) {
      await ingest(rest, note.fileName, await notePdf(note), note.title);
      await rest.search(note.question);
      await rest.call('POST', '/v1/answers', { json: { question: note.question } });
    }
    // A document that fails leaves its traces elsewhere than one that succeeds.
    await rest.upload('Quillfeather-broken.pdf', Buffer.from('%PDF-1.7\nQuillfeather Larkspurgate'), {
      title: 'Larkspurgate',
    });
    await rest.call('POST', '/v1/search', { json: { query: 'Larkspurgate', Quillfeather: true } });
  });
  after(async () => stack.stop());

  it('holds words to look for', () => {
    expect(documents.size).to.be.greaterThan(20);
    expect([...documents].filter((word) => !known.has(word)).length).to.be.greaterThan(10);
  });

  it('is no word of them in any table of any schema, the queue included', async () => {
    expect(leakedWords(await dump(), documents, known)).to.deep.equal([]);
  });

  it('is no word of them in the object store, the key store, or any log', async () => {
    const { objectsDir, kmsDir, logsDir } = stack.platform.layout;
    for (const dir of [objectsDir, kmsDir, logsDir]) {
      const files = await collect(dumpFiles(dir));
      expect(files.length).to.be.greaterThan(0);
      expect(leakedWords(files, documents, known), dir).to.deep.equal([]);
    }
  });

  it("is no word of them in the database server's own files: tables, write-ahead log, temporary files", async () => {
    // Invented words alone: the server's own messages and catalogues share plain ones with the documents.
    const synthetic = new Set(
      [...documents].filter((word) => /quillfeather|larkspurgate|zephyrine|cardionexus|orchard/.test(word)),
    );
    expect(synthetic.size).to.be.greaterThan(3);
    const found = new Set<string>();
    for await (const file of dumpFiles(stack.platform.layout.postgresDir)) {
      for (const word of leakedWords([file], synthetic, new Set())) found.add(word);
    }
    expect([...found]).to.deep.equal([]);
  });
});
