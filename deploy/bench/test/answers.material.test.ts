import { expect } from 'chai';
import { answerEvents, answerLengths, answerTo, questionFor, sourceTexts } from '../src/answers/material.ts';
import { describeSteps, type StepsSoFar } from '../src/answers/steps.ts';
import {
  countStatements,
  lookUpAll,
  type VerifierMaterial,
  verifierMaterial,
  verifyAll,
} from '../src/answers/verifier.ts';

describe('the answers that are measured', () => {
  for (const length of ['short', 'long'] as const) {
    it(`quote their sources, and have as many lines as ${length} ones should`, () => {
      const lines = answerTo(`Some words. ${questionFor(length)}`)
        .trimEnd()
        .split('\n');
      expect(lines).to.have.length(answerLengths[length].lines);
      for (const line of lines) {
        const { s: said, q } = JSON.parse(line) as { s: string; q: { n: number; q: string }[] };
        expect(q.map(({ q: quote }) => quote)).to.deep.equal([said]);
        expect(sourceTexts()[(q[0]?.n ?? 0) - 1]).to.contain(said);
      }
    });
  }

  it('come in small pieces, about 2,000 when they are long', () => {
    const text = answerTo(questionFor('long'));
    const pieces = answerEvents(text).flatMap((event) =>
      'contentBlockDelta' in event ? [String(event.contentBlockDelta.delta['text'])] : [],
    );
    expect(pieces.join('')).to.equal(text);
    expect(pieces.length).to.be.within(1_800, 2_200);
  });
});

describe('what the verifier is measured with', () => {
  let material: VerifierMaterial;
  before(async () => {
    material = await verifierMaterial();
  });

  it('is statements that stand in their sources, most of which it accepts', () => {
    const statements = countStatements(material.answers);
    expect(statements).to.be.at.least(250);
    expect(lookUpAll(material.answers)).to.equal(statements);
    expect(verifyAll(material.answers)).to.be.at.least(statements * 0.9);
  });
});

describe('the steps of an answer', () => {
  const steps = (seconds: number, count: number): StepsSoFar =>
    new Map(['stub search', 'audit event'].map((name) => [name, { seconds, count }]));

  it('are means of what was measured, and not of what was before', () => {
    expect(describeSteps(steps(1, 10), steps(2, 20))).to.equal(
      "means of its steps in ms: stub search 100.0, audit event 100.0, the model's first event ?",
    );
  });
});
