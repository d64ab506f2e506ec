import { randomBytes, randomUUID } from 'node:crypto';
import { createTestDatabase } from '@wardstone/testing';
import { expect } from 'chai';
import { clearTextOf, foreignHeaders } from '../src/clear-text.ts';
import { inventedPatient, spellingsOf } from '../src/identifiers.ts';
import { knownFrom, leaksIn, type Sought } from '../src/leak-search.ts';
import { sealedMessage } from '../src/sealed-message.ts';
import { clearLetters, wordsOf } from '../src/vocabulary.ts';

const note = 'Gout in the left knee, sore';
const sought: Sought = { words: new Set(['gout', 'left', 'knee', 'sore']), marks: [], identifiers: /(?!)/g };
const found = (text: string, known = knownFrom([])): string[] =>
  leaksIn([{ place: 'here', text }], sought, known).map((leak) => leak.found);

const base64url = (text: string): string => Buffer.from(text).toString('base64url');
const tenant = randomUUID();
const header = (resource: string, more = ''): string =>
  `{"alg":"dir","enc":"A256GCM","kid":"${tenant}/1","ctx":{"tenant":"${tenant}","resource":"${resource}","field":"title"}${more}}`;
const sealed = (clearHeader: string): string =>
  [base64url(clearHeader), '', ...[12, 200, 16].map((bytes) => randomBytes(bytes).toString('base64url'))].join('.');

describe('leak detection at four letters', () => {
  it('finds short words as they stand, escaped, in a path, and as lexemes of a full-text index', async () => {
    expect(found(note)).to.have.members(['gout', 'left', 'knee', 'sore']);
    expect(found(String.raw`{"note":"\ngout\u0020left"}`)).to.have.members(['gout', 'left']);
    expect(found('GET /v1/sore%20knee?q=gout')).to.have.members(['sore', 'knee', 'gout']);
    const database = await createTestDatabase({ schemas: [] });
    try {
      const rows = await database.query(`select to_tsvector('english', $1)::text as lexemes`, [note]);
      expect(found(String(rows[0]?.['lexemes']))).to.include.members(['gout', 'knee', 'sore']);
    } finally {
      await database.drop();
    }
  });

  it('finds them in a bytea that is text, in base64, and in the payload of a signed job', () => {
    expect(found(`(1,"\\\\x${Buffer.from('gout').toString('hex')}")`)).to.deep.equal(['gout']);
    expect(found(`{"blob":"${Buffer.from(note).toString('base64')}"}`)).to.include('gout');
    const job = `${base64url('{"alg":"EdDSA"}')}.${base64url('{"note":"gout"}')}.${randomBytes(64).toString('base64url')}`;
    expect(found(job)).to.deep.equal(['gout']);
  });

  it('cuts out what is sealed, ids, hashes and verifiers, whatever letters they hold by chance', () => {
    const random = Array.from({ length: 400 }, () => [
      sealed(header(randomUUID())),
      randomUUID(),
      randomBytes(32).toString('hex'),
      `\\x${randomBytes(40).toString('hex')}`,
      `SCRAM-SHA-256$4096:${randomBytes(16).toString('base64')}$${randomBytes(32).toString('base64')}:${randomBytes(32).toString('base64')}`,
    ]).flat();
    const words = wordsOf([clearTextOf(random.join('\n'))], clearLetters);
    expect([...words]).to.have.members(['title']);
  });

  it('tells a sealed value whose header says more than ids from one of ours', () => {
    const [ours, named, longer] = [header(randomUUID()), header('knee'), header(randomUUID(), ',"note":"gout"')];
    expect(foreignHeaders(sealed(ours))).to.deep.equal([]);
    expect(foreignHeaders([named, longer].map(sealed).join('\n'))).to.deep.equal([named, longer]);
    expect(found(sealed(named))).to.include('knee');
    expect(found(sealed(longer))).to.include('gout');
  });

  it('excuses a word in the place that used it before, and in no other', () => {
    const known = knownFrom([{ place: 'here', text: 'the left column' }]);
    expect(found(note, known)).to.have.members(['gout', 'knee', 'sore']);
    expect(leaksIn([{ place: 'there', text: 'left' }], sought, known)).to.deep.equal([
      { place: 'there', found: 'left' },
    ]);
  });

  it('takes no noise for a sealed message', () => {
    const start = Buffer.of(2, 4, 0x78);
    for (let length = 0; length < 600; length += 7) {
      expect(sealedMessage(Buffer.concat([start, randomBytes(length)]))).to.equal(undefined);
    }
  });

  it('finds identifiers in every spelling, and no longer number that holds them', () => {
    const patient = {
      ...inventedPatient(),
      recordNumber: '407118263',
      socialSecurity: '912345678',
      born: [1958, 3, 17] as const,
    };
    const spelled = spellingsOf([patient]);
    const matches = (text: string): boolean => text.match(spelled) !== null;
    for (const text of [
      ...[
        '407118263',
        'MRN:407-118-263.',
        '407 118 263',
        '912-34-5678',
        '912.34.5678',
        `(${patient.phone.slice(0, 3)}) ${patient.phone.slice(3, 6)}-${patient.phone.slice(6)}`,
      ],
      ...[
        '1958-03-17',
        '3/17/1958',
        '03/17/58',
        '17.03.1958',
        'March 17, 1958',
        'Mar 17 1958',
        '17-MAR-1958',
        '19580317',
      ],
    ]) {
      expect(matches(text), text).to.equal(true);
    }
    for (const text of ['1407118263', '4071182630', '0.407118263', '1958-03-18', '2026-03-17']) {
      expect(matches(text), text).to.equal(false);
    }
  });
});
