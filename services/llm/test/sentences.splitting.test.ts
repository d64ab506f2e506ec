import { expect } from 'chai';
import { splitSentences } from '../src/domain/sentences.ts';

const sentencesOf = (text: string) => splitSentences(text).map(({ start, end }) => text.slice(start, end));

describe('sentences: splitting', () => {
  for (const [what, text, expected] of [
    [
      'full stops, questions, exclamations',
      'It hurts. Does it? Yes! Very.',
      ['It hurts.', 'Does it?', 'Yes!', 'Very.'],
    ],
    ['abbreviations', 'Dr. Smith saw J. Doe, e.g. today. He left.', ['Dr. Smith saw J. Doe, e.g. today.', 'He left.']],
    [
      'references',
      'As Lee et al. Showed in Fig. 3, it works. It does.',
      ['As Lee et al. Showed in Fig. 3, it works.', 'It does.'],
    ],
    ['decimals and doses', 'Give 2.5 mg b.i.d. Then 0.5 mg.', ['Give 2.5 mg b.i.d. Then 0.5 mg.']],
    ['quotes and brackets', 'He said "stop." Then (it ended.) Fine.', ['He said "stop."', 'Then (it ended.)', 'Fine.']],
    [
      'line ends inside of sentences',
      'The patient was admitted with\nchest pain that began on\nMonday. He is stable.',
      ['The patient was admitted with\nchest pain that began on\nMonday.', 'He is stable.'],
    ],
    [
      'headings without a full stop',
      'Past Medical History\nThe patient has had type 2 diabetes for many years now.',
      ['Past Medical History', 'The patient has had type 2 diabetes for many years now.'],
    ],
    [
      'lists',
      'Plan:\n- Start metformin\n• Stop aspirin\n2. See again',
      ['Plan:', 'Start metformin', 'Stop aspirin', 'See again'],
    ],
    ['labels with values', 'BP: 120/80\nHR: 72\nTemp: 37.2', ['BP: 120/80', 'HR: 72', 'Temp: 37.2']],
    ['blank lines', 'one\n\ntwo\n \nthree', ['one', 'two', 'three']],
    ['scripts without blanks', '患者は安定。明日退院。', ['患者は安定。', '明日退院。']],
    ['nothing but marks', ' … --- \n * ', []],
    ['an empty text', '', []],
  ] as const) {
    it(`reads ${what}`, () => {
      expect(sentencesOf(text)).to.deep.equal(expected);
    });
  }

  it('never takes a control character, a direction mark or a replacement character into a sentence', () => {
    const text = 'Alpha one.\u0000\u001b[31m Beta\u202e two.\ufffd Gamma\u200b three.';
    for (const sentence of sentencesOf(text)) expect(sentence).not.to.match(/[\p{Cc}\p{Cf}\ufffd]/u);
    expect(sentencesOf(text).join(' ')).to.contain('Alpha one.').and.to.contain('three.');
  });

  it('bounds the length, and never cuts a surrogate pair', () => {
    for (const text of ['word '.repeat(1_000), `a${'\u{1D49C}'.repeat(1_000)}`, 'x'.repeat(5_000)]) {
      for (const sentence of sentencesOf(text)) {
        expect(sentence.length).to.be.at.most(480);
        expect(sentence.isWellFormed()).to.equal(true);
      }
    }
    expect(sentencesOf('x'.repeat(5_000)).join('')).to.equal('x'.repeat(5_000));
  });

  it('takes time that grows with the length, not with its square', () => {
    // Texts that make a careless pattern try everything: were one tried from every position, this would not end in time.
    for (const text of ['.'.repeat(200_000), '\n '.repeat(100_000), '"'.repeat(200_000), 'a.'.repeat(100_000)]) {
      expect(splitSentences(text).length).to.be.at.most(2_000);
    }
  });
});
