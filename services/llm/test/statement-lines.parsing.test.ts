import { expect } from 'chai';
import { maxStatements } from '../src/domain/read-model.ts';
import { maxQuoteChars, maxQuotesOfStatement, maxStatementChars } from '../src/domain/statement-bounds.ts';
import { createStatementLines, maxLineChars, type ModelLine } from '../src/domain/statement-lines.ts';

const line = '{"s":"Warfarin was stopped.","q":[{"n":2,"q":"warfarin was stopped"}]}';
const statement: ModelLine = {
  kind: 'statement',
  text: 'Warfarin was stopped.',
  quotes: [{ sourceNumber: 2, quote: 'warfarin was stopped' }],
};
const bare = (text: string): ModelLine => ({ kind: 'statement', text, quotes: [] });

function readAll(text: string, { size = text.length, wasCut = false } = {}): ModelLine[] {
  const lines = createStatementLines();
  const found: ModelLine[] = [];
  for (let at = 0; at < text.length; at += size) found.push(...lines.push(text.slice(at, at + size)));
  return [...found, ...lines.end({ wasCut })];
}

describe('statement lines: parsing', () => {
  it('gives each statement as soon as its line is complete', () => {
    const lines = createStatementLines();
    expect(lines.push(line)).to.deep.equal([]);
    expect(lines.push('\n{"s":')).to.deep.equal([statement]);
    expect(lines.push(`"Next."}\n${line}\n`)).to.deep.equal([bare('Next.'), statement]);
    expect(lines.end({ wasCut: false })).to.deep.equal([]);
  });

  it('reads the same however the text is cut into pieces', () => {
    const text = `\`\`\`json\n${line}\r\n\n{"none":true}\nwords\n{"s":"Zwei – «drei»."}\n\`\`\`\n`;
    const expected = [statement, { kind: 'none' }, bare('words'), bare('Zwei – «drei».')];
    for (const size of [1, 2, 3, 7, 64, 1_000]) expect(readAll(text, { size }), String(size)).to.deep.equal(expected);
  });

  it('takes a last line without a line end', () => {
    expect(readAll(line)).to.deep.equal([statement]);
  });

  it('takes a last line of an answer that was cut off only when it is whole', () => {
    expect(readAll(`${line}\n${line}`, { wasCut: true })).to.deep.equal([statement, statement]);
    expect(readAll(`${line}\n${line.slice(0, -3)}`, { wasCut: true })).to.deep.equal([statement]);
  });

  it('takes a page where one is named', () => {
    expect(readAll('{"s":"A.","q":[{"n":1,"q":"a","p":7}]}')).to.deep.equal([
      { kind: 'statement', text: 'A.', quotes: [{ sourceNumber: 1, quote: 'a', page: 7 }] },
    ]);
  });

  for (const [what, text, shown] of [
    ['plain words', 'It is 5 mg.', 'It is 5 mg.'],
    ['broken JSON', '{"s":"It is', '{"s":"It is'],
    ['other JSON', '{"answer":"It is 5 mg."}', '{"answer":"It is 5 mg."}'],
    ['a list', '[1]', '[1]'],
    ['quotes that are none', '{"s":"It is 5 mg.","q":"5 mg"}', 'It is 5 mg.'],
    ['a quote without a number', '{"s":"It is 5 mg.","q":[{"q":"5 mg"}]}', 'It is 5 mg.'],
    ['a page that is none', '{"s":"It is 5 mg.","q":[{"n":1,"q":"5 mg","p":0}]}', 'It is 5 mg.'],
    ['none that is not true', '{"none":"x"}', '{"none":"x"}'],
  ] as const) {
    it(`makes a statement without quotes of ${what}`, () => {
      expect(readAll(text)).to.deep.equal([bare(shown)]);
    });
  }

  it('leaves out what holds no words', () => {
    expect(readAll('{"s":" \\n "}\n   \n```\n{"s":""}')).to.deep.equal([]);
  });

  it('puts a statement on one line, without marks that hide or turn text', () => {
    expect(readAll('{"s":" a\\n\\u202eb\\u0007 c\\u200d "}')).to.deep.equal([bare('a b c\u200d')]);
  });

  it('keeps the beginning of a line that is too long, and goes on after it', () => {
    const text = `${'x'.repeat(maxLineChars * 3)}\n${line}\n`;
    for (const size of [1_000, text.length]) {
      expect(readAll(text, { size })).to.deep.equal([bare('x'.repeat(maxStatementChars)), statement]);
    }
  });

  it('holds no more of a line than it may be long', () => {
    const lines = createStatementLines();
    let found = 0;
    for (let pushed = 0; pushed < 100; pushed += 1) found += lines.push('x'.repeat(maxLineChars)).length;
    expect(found + lines.end({ wasCut: false }).length).to.equal(1);
  });

  it('takes no more and no longer quotes than it may', () => {
    const q = Array.from({ length: maxQuotesOfStatement + 2 }, () => ({ n: 1, q: 'y'.repeat(maxQuoteChars - 1) }));
    const [found] = readAll(JSON.stringify({ s: 'A.', q: [{ n: 1, q: 'z'.repeat(maxQuoteChars + 5) }] }));
    expect(found?.kind === 'statement' && found.quotes[0]?.quote).to.equal('z'.repeat(maxQuoteChars + 1));
    const short = q.map(({ n }) => ({ n, q: 'y' }));
    const [many] = readAll(JSON.stringify({ s: 'A.', q: short }));
    expect(many?.kind === 'statement' && many.quotes.length).to.equal(maxQuotesOfStatement + 1);
  });

  it('takes no more statements than an answer may have', () => {
    const lines = createStatementLines();
    const found = lines.push('{"s":"A."}\n'.repeat(maxStatements + 5));
    expect(found).to.have.length(maxStatements);
    expect(lines.isFull).to.equal(true);
  });
});
