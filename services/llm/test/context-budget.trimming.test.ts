import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { planPrompt, tokensOfSource } from '../src/domain/context-budget.ts';
import { estimateTokens } from '../src/domain/token-estimate.ts';
import { sourceOf } from './support/sources.ts';

const sources = [1, 2, 3].map((number) =>
  sourceOf({ number, text: `Source ${String(number)}. ${'word '.repeat(400)}` }),
);
const tokensOfOne = tokensOfSource(sources[0] ?? { title: '', text: '' });
const history = ['first', 'second', 'third'].map((name) => ({ question: name, answer: 'word '.repeat(100) }));
const budget = (contextTokens: number) => ({ contextTokens, maxOutputTokens: 1_000, templateTokens: 500 });
const question = 'Why?';

describe('context budget: trimming', () => {
  it('takes all that there is room for', () => {
    expect(planPrompt(budget(100_000), { question, history, sources })).to.deep.include({ history, sources });
  });

  it('leaves out the worst sources first, and never a part of one', () => {
    for (const [room, count] of [
      [3, 3],
      [2.9, 2],
      [1.5, 1],
    ] as const) {
      const plan = planPrompt(budget(1_700 + tokensOfOne * room), { question, history: [], sources });
      expect(plan.sources, String(room)).to.deep.equal(sources.slice(0, count));
    }
  });

  it('counts what it takes, and nothing of what it leaves out', () => {
    const asked = { question, history: [], sources };
    const [none, two, three] = [{ ...asked, sources: [] }, { ...asked, sources: sources.slice(0, 2) }, asked].map(
      (input) => planPrompt(budget(100_000), input).promptTokens,
    );
    expect([two, three]).to.deep.equal([(none ?? NaN) + 2 * tokensOfOne, (none ?? NaN) + 3 * tokensOfOne]);
    expect(planPrompt(budget(1_700 + tokensOfOne * 2.9), asked).promptTokens).to.equal(two);
  });

  it('takes no worse source in place of a better one', () => {
    const long = sourceOf({ number: 2, text: 'word '.repeat(5_000) });
    const [first, , third] = sources;
    const ranked = [first, long, third].filter((source) => source !== undefined);
    const plan = planPrompt(budget(2_000 + tokensOfOne * 2), { question, history: [], sources: ranked });
    expect(plan.sources).to.deep.equal([first]);
  });

  it('leaves out the oldest turns first, and gives the conversation a share only', () => {
    const plan = planPrompt(budget(1_700 + 2_200), { question, history, sources: sources.slice(0, 1) });
    expect(plan.history).to.deep.equal(history.slice(2));
    expect(plan.sources).to.have.length(1);
  });

  it('refuses a question that leaves no room for the best source', () => {
    const ask = () => planPrompt(budget(1_600 + tokensOfOne), { question, history: [], sources });
    expect(ask).to.throw(AppError).with.property('reason', 'TEXT_TOO_LARGE');
  });

  it('needs no source', () => {
    expect(planPrompt(budget(1_700), { question, history: [], sources: [] }).sources).to.deep.equal([]);
  });
});

describe('token estimate', () => {
  for (const [text, tokens] of [
    ['', 0],
    [' ', 0],
    ['   ', 1],
    ['a  \t b', 4],
    ['a\tb', 3],
    ['\r\n', 2],
    [' '.repeat(101), 40],
    ['\t\v\f\r '.repeat(20), 40],
    ['\u00a0', 2],
    ['\u2003', 3],
    ['\u2028\u3000\ufeff', 9],
    ['\u3000 '.repeat(10), 30],
    ['metformin', 4],
    ['500 mg', 4],
    ['a\n\nb', 4],
    ['糖尿病', 4],
    ['😀', 4],
    ['𝐚𝐛', 8],
    ['a𠀀b', 6],
  ] as const) {
    it(`counts ${JSON.stringify(text)} as ${String(tokens)}`, () => {
      expect(estimateTokens(text)).to.equal(tokens);
    });
  }

  it('counts every character of ASCII alike, whatever stands beside it', () => {
    for (let code = 0; code < 0x80; code += 1) {
      const text = `abc${String.fromCharCode(code)}defg 12${String.fromCharCode(code)}`;
      expect(estimateTokens(`${text}\n糖`), JSON.stringify(text)).to.equal(estimateTokens(text) + 3);
    }
  });

  it('counts strings of ASCII alike, whatever stands beside them', () => {
    const alphabet = [...'abcXYZ019.,-<>\t\v\f\r\n\u0000\u001f', ...' '.repeat(8)];
    let state = 1;
    const draw = (below: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    for (let round = 0; round < 2_000; round += 1) {
      const text = Array.from({ length: draw(40) }, () => alphabet[draw(alphabet.length)]).join('');
      expect(estimateTokens(`${text}\n糖`), JSON.stringify(text)).to.equal(estimateTokens(text) + 3);
    }
  });

  it('counts white space of every kind by its bytes where it is not of ASCII', () => {
    for (let code = 0x80; code <= 0xffff; code += 1) {
      const blank = String.fromCharCode(code);
      if (/\s/u.test(blank)) expect(estimateTokens(blank), code.toString(16)).to.equal(Buffer.byteLength(blank));
    }
  });

  it('is well above what English prose has, and the same as without its blanks', () => {
    const prose = 'The patient was admitted with chest pain and was discharged after two days of observation';
    const words = prose.split(' ');
    expect(estimateTokens(prose)).to.be.greaterThan(words.length * 1.7);
    expect(estimateTokens(prose)).to.equal(words.reduce((sum, word) => sum + estimateTokens(word), 0));
  });
});
