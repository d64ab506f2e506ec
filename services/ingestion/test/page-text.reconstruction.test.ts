import { expect } from 'chai';
import { visibleAnnotationTexts } from '../src/extraction/annotations.ts';
import { cleanText, pageText, type PositionedText } from '../src/extraction/page-text.ts';

/** An item of 10-point text at a place; six units wide a character. */
function item(str: string, x: number, y: number, more: Partial<PositionedText> = {}): PositionedText {
  return {
    str,
    hasEOL: false,
    transform: [10, 0, 0, 10, x, y],
    width: str.length * 6,
    height: 10,
    dir: 'ltr',
    ...more,
  };
}

describe('the text of a page', () => {
  it('joins what stands on one line and breaks where pdfjs saw an end', () => {
    const items = [
      item('Blood', 10, 700),
      item(' ', 40, 700),
      item('pressure', 46, 700, { hasEOL: true }),
      item('120/80', 10, 688),
    ];
    expect(pageText(items, [])).to.equal('Blood pressure\n120/80');
  });

  it('puts a blank line where the gap is that of a paragraph', () => {
    const lines = [
      item('One', 10, 700, { hasEOL: true }),
      item('two', 10, 688, { hasEOL: true }),
      item('Three', 10, 660),
    ];
    expect(pageText(lines, [])).to.equal('One\ntwo\n\nThree');
  });

  it('does not glue a run that begins again further left', () => {
    expect(pageText([item('operator', 300, 700), item('Helvetica', 50, 700)], [])).to.equal('operator\nHelvetica');
  });

  it('leaves right-to-left runs as pdfjs ordered them', () => {
    const items = [item('שלום', 300, 700, { dir: 'rtl' }), item('עולם', 250, 700, { dir: 'rtl' })];
    expect(pageText(items, [])).to.equal('שלוםעולם');
  });

  it('puts the value of a field behind its label, and one without a line at the end', () => {
    const placed = [
      { text: 'Penicillin', rect: [80, 695, 200, 712] },
      { text: 'free comment', rect: [10, 10, 50, 20] },
    ];
    const items = [item('Allergies', 10, 700, { hasEOL: true }), item('Signature', 10, 600)];
    expect(pageText(items, placed)).to.equal('Allergies Penicillin\n\nSignature\nfree comment');
  });

  it('loses controls, lone halves of pairs and soft hyphens, and nothing else', () => {
    expect(cleanText('a\u0000b\ud800c\u00addef \u00a0 g\r\nh \n\n\n\n i😀')).to.equal('abcdef g\nh\n\ni😀');
  });
});

describe('annotations', () => {
  const rect = [0, 0, 10, 10];

  it('give the values that a reader sees', () => {
    const texts = visibleAnnotationTexts([
      { subtype: 'Widget', fieldType: 'Tx', fieldValue: 'Jane', rect },
      {
        subtype: 'Widget',
        fieldType: 'Ch',
        fieldValue: ['b'],
        options: [{ exportValue: 'b', displayValue: 'Beta' }],
        rect,
      },
      { subtype: 'FreeText', textContent: ['seen', 'twice'], rect },
      { subtype: 'FreeText', contentsObj: { str: 'typed' }, rect },
    ]);
    expect(texts.map(({ text }) => text)).to.deep.equal(['Jane', 'Beta', 'seen\ntwice', 'typed']);
  });

  it('keep quiet about what is hidden, secret, closed or malformed', () => {
    const texts = visibleAnnotationTexts([
      { subtype: 'Widget', fieldType: 'Tx', fieldValue: 'x', hidden: true },
      { subtype: 'Widget', fieldType: 'Tx', fieldValue: 'x', password: true },
      { subtype: 'Widget', fieldType: 'Tx', fieldValue: 'x', annotationFlags: 2 },
      { subtype: 'Widget', fieldType: 'Btn', fieldValue: 'Off' },
      { subtype: 'Text', contentsObj: { str: 'pop-up' } },
      { subtype: 'Widget', fieldType: 'Ch', fieldValue: 7, options: 'none' },
      null,
      'text',
    ]);
    expect(texts).to.deep.equal([]);
  });
});
