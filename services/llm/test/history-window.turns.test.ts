import { expect } from 'chai';
import { titleFrom } from '../src/domain/conversation-title.ts';
import { recentTurns } from '../src/domain/history-window.ts';

const turn = (question: string, chars: number) => ({ question, answer: 'x'.repeat(chars) });
const questions = (turns: readonly { readonly question: string }[]) => turns.map(({ question }) => question);

describe('the turns that a model is given', () => {
  const newestFirst = [turn('d', 29), turn('c', 29), turn('b', 290), turn('a', 2)];

  it('are the newest, oldest of them first, as many as it may read', () => {
    expect(questions(recentTurns(newestFirst, { maxTurns: 2, maxTokens: 1_000 }))).to.deep.equal(['c', 'd']);
    expect(questions(recentTurns(newestFirst, { maxTurns: 9, maxTokens: 1_000 }))).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(recentTurns([], { maxTurns: 9, maxTokens: 1_000 })).to.deep.equal([]);
  });

  it('end before the first that does not fit, also when an older one would', () => {
    expect(questions(recentTurns(newestFirst, { maxTurns: 9, maxTokens: 26 }))).to.deep.equal(['c', 'd']);
    expect(questions(recentTurns(newestFirst, { maxTurns: 9, maxTokens: 25 }))).to.deep.equal(['d']);
    expect(recentTurns(newestFirst, { maxTurns: 9, maxTokens: 1 })).to.deep.equal([]);
  });

  it('are counted as prompts are, by their script and not by their length', () => {
    const digits = { question: '1', answer: '2'.repeat(29) };
    expect(recentTurns([digits], { maxTurns: 9, maxTokens: 30 })).to.deep.equal([digits]);
    expect(recentTurns([digits], { maxTurns: 9, maxTokens: 29 })).to.deep.equal([]);
  });
});

describe('the title of a conversation', () => {
  it('is its first question on one line', () => {
    expect(titleFrom(' Which dose\n\tof metformin?\u0000 ')).to.equal('Which dose of metformin?');
    expect(titleFrom('x'.repeat(80))).to.equal('x'.repeat(80));
  });

  it('is cut between words, and never in a character', () => {
    const cut = titleFrom('word '.repeat(40));
    expect(cut).to.match(/^(word )+word…$/);
    expect(cut.length).to.be.within(70, 80);
    expect(titleFrom('😀'.repeat(100))).to.equal(`${'😀'.repeat(79)}…`);
  });
});
