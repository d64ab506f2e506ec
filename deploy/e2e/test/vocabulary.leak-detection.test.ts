import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTestDatabase } from '@wardstone/testing';
import { expect } from 'chai';
import { collect, dumpDatabase, dumpFiles } from '../src/dump.ts';
import { leakedWords, wordsOf } from '../src/vocabulary.ts';

describe('leak detection', () => {
  const documents = wordsOf(['The Quillfeather patient takes Amoxaril; the document says so.']);

  it('finds a planted word whatever its case and whatever stands around it', () => {
    expect(leakedWords(['{"x":"eyJ.QUILLFEATHER-9"}'], documents, new Set())).to.deep.equal(['quillfeather']);
  });

  it('leaves out words that the system itself uses', () => {
    expect(leakedWords(['create table document'], documents, wordsOf(['document']))).to.deep.equal([]);
  });

  it('does not find a word inside a longer run of letters', () => {
    expect(leakedWords(['xxAmoxarilxx'], documents, new Set())).to.deep.equal([]);
  });

  const clear = Buffer.from('The Quillfeather patient', 'latin1');
  const wide = Buffer.from('The Quillfeather patient', 'utf16le');
  const artefacts: Readonly<Record<string, Buffer>> = {
    'clear bytes': clear,
    base64: Buffer.from(clear.toString('base64')),
    'base64url with bytes before it that shift its groups': Buffer.from(`objects/x${clear.toString('base64url')}`),
    hex: Buffer.from(clear.toString('hex')),
    'capital hex that follows a digit': Buffer.from(`0${clear.toString('hex').toUpperCase()}`),
    'UTF-16LE': wide,
    'UTF-16BE': Buffer.from(wide).swap16(),
    'UTF-16LE in base64': Buffer.from(wide.toString('base64')),
    'base64 in hex': Buffer.from(Buffer.from(clear.toString('base64')).toString('hex')),
  };

  describe('in a dump', () => {
    let dir: string;
    beforeEach(async () => {
      dir = await mkdtemp(path.join(tmpdir(), 'wardstone-leak-'));
    });
    afterEach(async () => rm(dir, { recursive: true }));

    for (const [encoding, bytes] of Object.entries(artefacts)) {
      it(`of files finds a word planted in ${encoding}`, async () => {
        await writeFile(path.join(dir, 'artefact'), Buffer.concat([Buffer.from([1, 0, 255]), bytes, Buffer.from([0])]));
        expect(leakedWords(await collect(dumpFiles(dir)), documents, new Set())).to.include('quillfeather');
      });
    }

    it('of files finds nothing in noise', async () => {
      const noise = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * at * 31 + at * 7) % 251));
      await writeFile(path.join(dir, 'artefact'), noise);
      await writeFile(path.join(dir, 'artefact.txt'), noise.toString('base64url'));
      expect(leakedWords(await collect(dumpFiles(dir)), documents, new Set())).to.deep.equal([]);
    });

    it('of a database finds each of them, as text and as bytea', async () => {
      const database = await createTestDatabase({ schemas: [] });
      try {
        await database.query('create table public.artefact (as_bytes bytea, as_text text)');
        for (const [encoding, bytes] of Object.entries(artefacts)) {
          const text = bytes.includes(0) ? null : bytes.toString('latin1');
          for (const row of [[bytes, null], ...(text === null ? [] : [[null, text]])]) {
            await database.query('delete from public.artefact');
            await database.query('insert into public.artefact values ($1, $2)', row);
            const found = leakedWords(await collect(dumpDatabase(database.adminUrl)), documents, new Set());
            expect(found, encoding).to.include('quillfeather');
          }
        }
      } finally {
        await database.drop();
      }
    });
  });
});
